//! Cache directives aimed at us: Weir-Cache-Control and CDN-Cache-Control (RFC 9213), and what the older
//! Surrogate-Control forbids.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::cache_control::{Directive, ReplyDirectives};

pub(crate) const WEIR_CACHE_CONTROL: HeaderName = HeaderName::from_static("weir-cache-control");
pub(crate) const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");
pub(crate) const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The directives of one targeted field. None if it is to be ignored: "If a targeted field in a given
/// response is empty or a parsing error is encountered, that field MUST be ignored by the cache" (RFC 9213
/// section 2.1).
pub(crate) fn directives(headers: &HeaderMap, name: &HeaderName) -> Option<ReplyDirectives> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
    let text = lines.join(&b", "[..]);
    let dictionary: Dictionary = Parser::new(&text).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    // "Parameters received on cache directives are to be ignored" (section 2.1).
    let directives = dictionary.iter().filter_map(|(name, value)| directive(name.as_str(), value));
    Some(ReplyDirectives::collect(directives))
}

/// Whether Surrogate-Control (<https://www.w3.org/TR/edge-arch/>) forbids storing the reply, as Varnish and
/// Fastly read it. It grants nothing here. `;` begins the name of the surrogate that is meant: perhaps us.
pub(crate) fn surrogates_must_not_store(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SURROGATE_CONTROL).iter().map(|line| line.as_bytes().to_ascii_lowercase());
    lines.into_iter().any(|line| line.split(|byte| *byte == b',').any(is_prohibition))
}

fn is_prohibition(directive: &[u8]) -> bool {
    let directive = directive.split(|byte| *byte == b';').next().unwrap_or_default();
    let mut parts = directive.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
    match (parts.next(), parts.next()) {
        (Some(b"no-store" | b"no-cache" | b"private"), _) => true,
        // "max-age=5+10": fresh for 5 s, and stale for 10 s more.
        (Some(b"max-age"), Some(age)) => age.split(|byte| *byte == b'+').next() == Some(b"0"),
        _ => false,
    }
}

/// "cache directives that have no value will be mapped to a Boolean. When the value is a quoted-string, it
/// will be mapped to a String, and when it is a token, it will map to a Token, an Integer, or a Decimal"
/// (section 2.1).
fn directive(name: &str, value: &ListEntry) -> Option<Directive> {
    let argument = match value {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::Boolean(true) => None,
            // "no-store=?0" says that it does not hold.
            BareItem::Boolean(false) => return None,
            BareItem::Integer(number) => Some(number.to_string()),
            BareItem::Token(token) => Some(token.as_str().to_owned()),
            // "Implementations SHOULD NOT consume values that violate these inferred constraints":
            // max-age="60" is not a number of seconds here.
            BareItem::String(text) if name.contains("age") || name.starts_with("stale-") => {
                Some(format!("\"{text:?}"))
            }
            BareItem::String(text) => Some(text.as_str().to_owned()),
            _ => Some(String::new()),
        },
        ListEntry::InnerList(_) => Some(String::new()),
    };
    Some(Directive { name: name.to_owned(), argument, malformed: false })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cache_control::{Delta, Scope};

    fn of(lines: &[&str]) -> Option<ReplyDirectives> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CDN_CACHE_CONTROL, line.parse().unwrap());
        }
        directives(&headers, &CDN_CACHE_CONTROL)
    }

    #[test]
    fn seconds() {
        let minute = Delta::Valid(Duration::from_secs(60));
        let cases: &[(&[&str], Delta)] = &[
            (&["max-age=60"], minute),
            (&["public", "max-age=60"], minute),
            (&["max-age=60;x=y"], minute),
            (&["max-age=1, max-age=60"], minute),
            (&["none"], Delta::Absent),
            (&["max-age=\"60\""], Delta::Invalid),
            (&["max-age=1.5"], Delta::Invalid),
            (&["max-age=-1"], Delta::Invalid),
            (&["max-age"], Delta::Invalid),
            (&["max-age=(1 2)"], Delta::Invalid),
            (&["max-age=999999999999999"], Delta::Valid(Duration::from_secs(1 << 31))),
        ];
        for (lines, expected) in cases {
            assert_eq!(of(lines).map(|all| all.max_age), Some(*expected), "{lines:?}");
        }
    }

    #[test]
    fn a_field_that_is_empty_or_no_dictionary_is_as_if_it_were_not_there() {
        for lines in [
            &[][..],
            &[""],
            &["  "],
            &["Max-Age=60"],
            &["max-age=60,"],
            &["max-age=9999999999999999"],
            &["=1"],
            &["a", "\"b"],
        ] {
            assert_eq!(of(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn what_surrogate_control_forbids() {
        let cases: &[(&[&str], bool)] = &[
            (&["no-store"], true),
            (&["content=\"ESI/1.0\", No-Store"], true),
            (&["max-age=60", "no-store;weir"], true),
            (&["private"], true),
            (&["no-cache=x"], true),
            (&["max-age=0"], true),
            (&["max-age = 0+60"], true),
            (&["max-age=60+0"], false),
            (&["content=\"ESI/1.0\""], false),
            (&["no-store-remote"], false),
            (&[""], false),
            (&[], false),
        ];
        for (lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(SURROGATE_CONTROL, line.parse().unwrap());
            }
            assert_eq!(surrogates_must_not_store(&headers), *expected, "{lines:?}");
        }
    }

    #[test]
    fn flags_and_scopes() {
        assert!(of(&["no-store"]).unwrap().no_store);
        assert!(!of(&["no-store=?0, max-age=1"]).unwrap().no_store);
        assert!(of(&["no-store=5"]).unwrap().no_store);
        assert_eq!(of(&["private"]).unwrap().private, Scope::All);
        let set_cookie = Scope::Fields(vec![http::header::SET_COOKIE]);
        assert_eq!(of(&["no-cache=\"Set-Cookie\""]).unwrap().no_cache, set_cookie);
    }
}
