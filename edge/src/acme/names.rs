//! The names for which certificates are ordered: those of the sites that say `tls = "auto"`, and of the sites
//! without a `tls` of their own where a listener says so.

use std::collections::BTreeSet;

use process::settings::Mistakes;

use crate::settings::site_listen::ListenerName;
use crate::settings::{ChallengeKind, Config, Listen, SiteConfig, TlsSetting};

/// The longest name, and the longest part between two dots (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
/// An authority's limits are far below this for one owner.
const MOST_NAMES: usize = 1_000;

/// The names, in lower case; "*.example.com" is one. Reports those that no authority signs.
pub(crate) fn wanted(config: &Config, mistakes: &mut Mistakes) -> BTreeSet<Box<str>> {
    let mut names = BTreeSet::new();
    for (index, site) in config.site.iter().enumerate().filter(|(_, site)| is_auto(config, site)) {
        for (at, name) in site.server_name.iter().enumerate() {
            let path = format!("edge.site[{index}].server_name[{at}]");
            for name in spelled_out(name) {
                // Whoever comes by such a name is asked about.
                if is_pattern(&name) && config.acme.ask.is_some() {
                    continue;
                }
                match mistake(config, &name) {
                    None => _ = names.insert(name.into()),
                    Some(text) => mistakes.push(&path, text),
                }
            }
        }
        if site.server_name.is_empty()
            && config.acme.ask.is_none()
            && site.tls.as_ref().is_some_and(TlsSetting::is_auto)
        {
            let text = "for which name? Write the hosts of this site in its `server_name`";
            mistakes.push(format!("edge.site[{index}].tls"), text);
        }
    }
    if names.len() > MOST_NAMES {
        let text = format!("{} names need a certificate of their own; at most {MOST_NAMES} can", names.len());
        mistakes.push("edge.acme", text);
    }
    names
}

/// Whether certificates come by themselves anywhere.
pub(super) fn any_auto(config: &Config) -> bool {
    config.listen.iter().any(Listen::is_auto) || config.site.iter().any(|site| is_auto(config, site))
}

/// Whether an authority may sign a certificate for a name that a client asks for.
pub(super) fn is_signable(name: &str, is_public: bool) -> bool {
    is_name(name) && (name.contains('.') || !is_public)
}

fn is_auto(config: &Config, site: &SiteConfig) -> bool {
    match &site.tls {
        Some(setting) => setting.is_auto(),
        None => {
            listeners_of(config, site).any(|index| config.listen.get(index).is_some_and(|at| at.is_auto()))
        }
    }
}

/// The indexes of the listeners that the site answers on.
fn listeners_of<'a>(config: &'a Config, site: &'a SiteConfig) -> impl Iterator<Item = usize> + 'a {
    let all = 0..if site.listen.is_empty() { config.listen.len() } else { 0 };
    let named = |name: &'a ListenerName| name.among(&config.listen);
    all.chain(site.listen.iter().flat_map(named))
}

/// ".example.com" stands for two.
fn spelled_out(name: &str) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    if name.starts_with('~') {
        return vec![name.to_owned()];
    }
    match lower.strip_prefix('.') {
        Some(parent) => vec![parent.to_owned(), format!("*.{parent}")],
        None => vec![lower.strip_suffix('.').unwrap_or(&lower).to_owned()],
    }
}

/// Why no certificate can be ordered for it.
fn mistake(config: &Config, name: &str) -> Option<String> {
    if is_pattern(name) {
        return Some(format!(
            "no certificate can be ordered for the pattern `{name}`; name the hosts, or give the site a `tls` with files"
        ));
    }
    let plain = name.strip_prefix("*.");
    if !is_name(plain.unwrap_or(name)) || name.len() > LONGEST_NAME {
        return Some(format!(
            "no certificate can be ordered for `{name}`; write a name such as \"example.com\""
        ));
    }
    if plain.is_some() && config.acme.dns_command.0.is_empty() {
        return Some(format!("a certificate for `{name}` needs dns-01: set `edge.acme.dns_command`"));
    }
    if plain.is_some() && !allows(config, ChallengeKind::Dns) {
        return Some(format!("a certificate for `{name}` needs \"dns-01\" in `edge.acme.challenges`"));
    }
    if config.acme.is_public() && !name.contains('.') {
        return Some(format!(
            "no public authority signs `{name}`; write a full name, or set `edge.acme.directory`"
        ));
    }
    None
}

fn is_pattern(name: &str) -> bool {
    name.starts_with('~') || name.ends_with(".*")
}

fn is_name(name: &str) -> bool {
    name.split('.').all(is_label) && name.len() <= LONGEST_NAME && !is_address(name)
}

pub(super) fn allows(config: &Config, kind: ChallengeKind) -> bool {
    config.acme.challenges.is_empty() || config.acme.challenges.contains(&kind)
}

fn is_label(label: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= LONGEST_LABEL && label.bytes().all(known)
}

fn is_address(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(settings: &str) -> (Vec<String>, String) {
        let config: Config = toml::from_str(settings).unwrap();
        let mut mistakes = Mistakes::default();
        let names = wanted(&config, &mut mistakes);
        (names.iter().map(ToString::to_string).collect(), mistakes.to_string())
    }

    #[test]
    fn names_of_auto_sites_and_of_auto_listeners() {
        let (names, mistakes) = names(
            "listen = ['0.0.0.0:80', { address = '0.0.0.0:443', tls = 'auto' }]\n\
             [[site]]\nserver_name = ['Example.com', 'www.example.com.']\nlisten = [443]\n\
             [[site]]\nserver_name = ['plain.example.com']\nlisten = [80]\n\
             [[site]]\nserver_name = ['own.example.com']\ntls = { certificate = 'a', key = 'b' }\n\
             [[site]]\nserver_name = ['both.example.com']\n[[site]]\nserver_name = []\n",
        );
        assert_eq!(mistakes, "");
        assert_eq!(names, ["both.example.com", "example.com", "www.example.com"]);
    }

    #[test]
    fn names_that_nobody_signs_are_mistakes() {
        let auto = |name: &str, acme: &str| {
            names(&format!("{acme}\n[[site]]\nserver_name = ['{name}']\ntls = 'auto'\n"))
        };
        for (name, acme, wrong) in [
            ("~^a", "", "the pattern"),
            ("www.*", "", "the pattern"),
            ("127.0.0.1", "", "such as"),
            ("a..b", "", "such as"),
            ("localhost", "", "no public authority"),
            ("*.example.com", "", "dns_command"),
            (".example.com", "", "dns_command"),
            ("*.example.com", "acme = { dns_command = 'a', challenges = ['http-01'] }", "challenges"),
        ] {
            let (_, mistakes) = auto(name, acme);
            assert!(mistakes.contains(wrong), "{name}: {mistakes}");
        }
        let private = auto("localhost", "acme = { directory = 'https://ca.example/' }");
        assert_eq!(private, (vec!["localhost".to_owned()], String::new()));
        let (names, mistakes) = auto(".example.com", "acme = { dns_command = ['a', 'b'] }");
        assert_eq!((names.join(" "), mistakes), ("*.example.com example.com".into(), String::new()));
    }
}
