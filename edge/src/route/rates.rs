//! How fast replies are sent, where that depends on the request.

use process::units::Size;

use crate::variables::{Facts, Template};

#[derive(Debug)]
pub(crate) struct Rates {
    pub(super) rate: Option<Template>,
    pub(super) after: Option<Template>,
}

impl Rates {
    /// Bytes in a second, and how many come before that; `usual` where nothing is said.
    pub(crate) fn of(&self, facts: &Facts<'_>, usual: (u64, u64)) -> (u64, u64) {
        let bytes = |template: &Option<Template>, usual: u64| match template {
            None => usual,
            // As in nginx, what is no size is no limit.
            Some(template) => {
                let value = template.value(facts);
                let size = std::str::from_utf8(&value).ok().and_then(Size::parse);
                size.map_or(0, |size| size.0)
            }
        };
        (bytes(&self.rate, usual.0), bytes(&self.after, usual.1))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::variables::facts::tests::facts_of;

    #[test]
    fn what_is_no_size_is_no_limit() {
        let template = |text: &str| Template::parse(text).ok();
        let rates = Rates { rate: template("$arg_r"), after: None };
        let headers = HeaderMap::new();
        for (target, expected) in
            [("/?r=1k", (1024, 7)), ("/?r=100", (100, 7)), ("/?r=x", (0, 7)), ("/", (0, 7))]
        {
            assert_eq!(rates.of(&facts_of(target, &headers), (5, 7)), expected, "{target}");
        }
        let rates = Rates { rate: None, after: template("$arg_a") };
        assert_eq!(rates.of(&facts_of("/?a=2k", &headers), (5, 7)), (5, 2048));
    }
}
