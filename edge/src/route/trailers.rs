//! nginx's `add_trailer`: fields that follow a reply's body.

use http::{HeaderName, HeaderValue, StatusCode};
use process::settings::Mistakes;

use crate::settings::TrailerConfig;
use crate::variables::{Facts, Template, VariableNames};

#[derive(Debug, Default)]
pub(crate) struct Trailers(Vec<TrailerRule>);

#[derive(Debug)]
struct TrailerRule {
    name: HeaderName,
    value: Template,
    always: bool,
}

/// The statuses for which a field is added that is not added always: nginx's list.
const USUAL: [u16; 10] = [200, 201, 204, 206, 301, 302, 303, 304, 307, 308];

impl Trailers {
    /// `None`: there are none.
    pub(crate) fn new(
        path: &str,
        configs: &[TrailerConfig],
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let mut rules = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            config.value.check(&format!("{path}[{index}].value"), names, mistakes);
            match HeaderName::from_bytes(config.add.as_bytes()) {
                Ok(name) if !is_of_head(&name) => {
                    rules.push(TrailerRule { name, value: config.value.clone(), always: config.always });
                }
                _ => mistakes.push(
                    format!("{path}[{index}].add"),
                    format!("`{}` is not the name of a field that may follow a body", config.add),
                ),
            }
        }
        (!rules.is_empty()).then_some(Self(rules))
    }

    pub(crate) fn of(&self, status: StatusCode, facts: &Facts<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let is_usual = USUAL.contains(&status.as_u16());
        let rules = self.0.iter().filter(|rule| rule.always || is_usual);
        let value = |rule: &TrailerRule| Some((rule.name.clone(), rule.value.field_value(facts).ok()?));
        rules.filter_map(value).filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// RFC 9110 section 6.5.1: fields for framing, routing, authentication and the content are not for trailers.
fn is_of_head(name: &HeaderName) -> bool {
    const OF_HEAD: [&str; 12] = [
        "transfer-encoding",
        "content-length",
        "host",
        "trailer",
        "connection",
        "upgrade",
        "te",
        "content-encoding",
        "content-type",
        "content-range",
        "set-cookie",
        "authorization",
    ];
    OF_HEAD.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_into_the_head_is_no_trailer() {
        for (name, is_one) in [
            ("X-Sum", true),
            ("Server-Timing", true),
            ("Content-Length", false),
            ("Set-Cookie", false),
            ("a b", false),
        ] {
            let config = format!("add = \"{name}\"\nvalue = \"1\"");
            let config: TrailerConfig = toml::from_str(&config).unwrap();
            let mut mistakes = Mistakes::default();
            let trailers = Trailers::new("trailers", &[config], &VariableNames::default(), &mut mistakes);
            assert_eq!(trailers.is_some(), is_one, "{name}");
        }
    }
}
