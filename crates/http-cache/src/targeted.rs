//! Cache directives aimed at us: Weir-Cache-Control and CDN-Cache-Control (RFC 9213).

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::cache_control::{Directive, ReplyDirectives};

pub(crate) const WEIR_CACHE_CONTROL: HeaderName = HeaderName::from_static("weir-cache-control");
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
    fn flags_and_scopes() {
        assert!(of(&["no-store"]).unwrap().no_store);
        assert!(!of(&["no-store=?0, max-age=1"]).unwrap().no_store);
        assert!(of(&["no-store=5"]).unwrap().no_store);
        assert_eq!(of(&["private"]).unwrap().private, Scope::All);
        let set_cookie = Scope::Fields(vec![http::header::SET_COOKIE]);
        assert_eq!(of(&["no-cache=\"Set-Cookie\""]).unwrap().no_cache, set_cookie);
    }
}
