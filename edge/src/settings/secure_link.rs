//! `secure_link`: links that only who knows a secret can make.

use process::settings::Mistakes;
use serde::Deserialize;

use crate::access::secure_link::SecureLink;
use crate::variables::{Template, VariableNames};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecureLinkConfig {
    /// The hash in the link and, behind a comma, when it expires: "$arg_md5,$arg_expires".
    link: Template,
    /// What the hash was made of: "$secure_link_expires$uri secret".
    md5: Template,
    /// Links that are wrong or expired get 403 and 410; else rules decide by `$secure_link`.
    #[serde(default = "yes")]
    refuse: bool,
}

fn yes() -> bool {
    true
}

impl SecureLinkConfig {
    /// Reports mistakes below `at`.
    pub(crate) fn rule(&self, at: &str, names: &VariableNames, mistakes: &mut Mistakes) -> SecureLink {
        self.link.check(&format!("{at}.link"), names, mistakes);
        self.md5.check(&format!("{at}.md5"), names, mistakes);
        if self.link.constant().is_some() {
            mistakes
                .push(format!("{at}.link"), "is the same for all requests; write \"$arg_md5,$arg_expires\"");
        }
        if self.md5.constant().is_some() {
            mistakes
                .push(format!("{at}.md5"), "is the same for all links; write \"$secure_link_expires$uri …\"");
        }
        SecureLink { link: self.link.clone(), md5: self.md5.clone(), refuse: self.refuse }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong() {
        for (link, md5, said) in [
            ("$arg_md5", "$uri x", ""),
            ("abc", "$uri x", "at.link: is the same for all"),
            ("$arg_md5", "x", "at.md5: is the same for all"),
            ("$nothing", "$uri", "at.link: there is no variable `$nothing`"),
        ] {
            let template = |text| Template::parse(text).unwrap();
            let config = SecureLinkConfig { link: template(link), md5: template(md5), refuse: true };
            let mut mistakes = Mistakes::default();
            config.rule("at", &VariableNames::default(), &mut mistakes);
            let text = mistakes.to_string();
            assert!(text.contains(said) && said.is_empty() == text.is_empty(), "{text}");
        }
    }
}
