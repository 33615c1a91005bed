//! Holes of a page that is shared: places that the edge fills for each visitor. The application declares
//! them in the field Weir-Holes, and its body has a mark at each place.
//!
//! A mark is random, so that nobody who writes a part of the page can write one, and as long as what replaces
//! it, so that the page keeps its length. The field is stored with the page as any other.
//!
//! `Weir-Holes: csrf;mark="…";cookie="csrftoken";max-age=31449600;path="/";samesite="Lax"` (a List of RFC
//! 9651): the mark stands where Django writes a masked token, and the rest describes the cookie that holds
//! the secret.

pub mod filler;
pub mod token;

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Item, List, ListEntry, Parser};

use crate::Reason;
use crate::policy::cookies::pairs;
use token::{LENGTH, Secret};

/// In a request: what the edge can fill, if the reply may be shared. In a reply: what there is to fill.
pub const WEIR_HOLES: HeaderName = HeaderName::from_static(FIELD);
pub const FIELD: &str = "weir-holes";
/// What the edge can fill.
pub const OFFER: &str = "csrf";

/// Added to the status of a page with holes between edges and nodes. An edge that does not know of holes
/// takes such an entry for damaged, instead of sending its marks to visitors.
pub(crate) const WITH_HOLES: u32 = 1000;

/// The most that one page declares.
const MOST: usize = 4;

/// What stands in a page where a value is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark([u8; LENGTH]);

/// What a page declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holes(Vec<Hole>);

/// Places for a visitor's masked token, and the cookie that holds its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    pub mark: Mark,
    cookie: String,
    /// What follows the value in Set-Cookie.
    attributes: String,
}

impl Mark {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Letters and digits only: no template and no browser changes them.
    fn new(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }
}

impl Holes {
    /// What the reply declares. What this edge does not understand it cannot fill: such a page is not shared.
    pub fn of(reply: &HeaderMap) -> Result<Option<Self>, Reason> {
        if !reply.contains_key(WEIR_HOLES) {
            return Ok(None);
        }
        let lines: Vec<&[u8]> = reply.get_all(WEIR_HOLES).iter().map(HeaderValue::as_bytes).collect();
        let list = Parser::new(&lines.join(&b", "[..])).parse::<List>().map_err(|_| Reason::Holes)?;
        let holes: Option<Vec<_>> = list.iter().map(Hole::of).collect();
        let holes = holes.filter(|holes| (1..=MOST).contains(&holes.len())).ok_or(Reason::Holes)?;
        Ok(Some(Self(holes)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Hole> {
        self.0.iter()
    }
}

impl Hole {
    fn of(entry: &ListEntry) -> Option<Self> {
        let ListEntry::Item(Item { bare_item: BareItem::Token(kind), params }) = entry else { return None };
        if kind.as_str() != "csrf" {
            return None;
        }
        let (mut mark, mut cookie, mut attributes) = (None, None, String::new());
        for (name, value) in params {
            let attribute = match (name.as_str(), value) {
                ("mark", BareItem::String(text)) => {
                    mark = Some(Mark::new(text.as_str())?);
                    continue;
                }
                ("cookie", BareItem::String(text)) => {
                    cookie = Some(text.as_str().to_owned()).filter(|name| is_cookie_name(name));
                    continue;
                }
                ("max-age", BareItem::Integer(seconds)) => {
                    let seconds = i64::from(*seconds);
                    (seconds >= 0).then(|| format!("Max-Age={seconds}"))?
                }
                ("path", BareItem::String(path)) => (path.as_str().starts_with('/')
                    && !path.as_str().contains(';'))
                .then(|| format!("Path={}", path.as_str()))?,
                ("domain", BareItem::String(domain)) => {
                    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
                    domain.as_str().bytes().all(is_one).then(|| format!("Domain={}", domain.as_str()))?
                }
                ("samesite", BareItem::String(site)) => ["Strict", "Lax", "None"]
                    .contains(&site.as_str())
                    .then(|| format!("SameSite={}", site.as_str()))?,
                ("secure", BareItem::Boolean(true)) => "Secure".to_owned(),
                ("httponly", BareItem::Boolean(true)) => "HttpOnly".to_owned(),
                _ => return None,
            };
            attributes.push_str("; ");
            attributes.push_str(&attribute);
        }
        Some(Self { mark: mark?, cookie: cookie?, attributes })
    }

    /// The secret in the visitor's cookies. As in Django the last cookie of the name counts, and one that
    /// makes no sense is none.
    pub fn secret<'a>(&self, lines: impl Iterator<Item = &'a [u8]>) -> Option<Secret> {
        let ours = lines.flat_map(pairs).filter(|cookie| cookie.name == self.cookie.as_bytes());
        ours.last().and_then(|cookie| Secret::of_cookie(cookie.value))
    }

    /// The value of Set-Cookie that gives a visitor this secret.
    pub fn set_cookie(&self, secret: &Secret) -> Option<HeaderValue> {
        let value =
            [self.cookie.as_bytes(), b"=", &secret.cookie_value(), self.attributes.as_bytes()].concat();
        HeaderValue::from_bytes(&value).ok()
    }
}

/// RFC 6265 section 4.1.1: a token.
fn is_cookie_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123";

    fn of(field: &str) -> Result<Option<Holes>, Reason> {
        let mut headers = HeaderMap::new();
        headers.append(WEIR_HOLES, field.parse().unwrap());
        Holes::of(&headers)
    }

    #[test]
    fn what_a_reply_declares() {
        assert_eq!(Holes::of(&HeaderMap::new()), Ok(None));
        let all = format!(
            "csrf;mark=\"{MARK}\";cookie=\"csrftoken\";max-age=31449600;path=\"/shop/\";domain=\".example.com\";\
             secure;httponly;samesite=\"Lax\""
        );
        let holes = of(&all).unwrap().unwrap();
        let hole = holes.iter().next().unwrap();
        assert_eq!(hole.mark.as_bytes(), MARK.as_bytes());
        let secret = Secret::new([0; 32]);
        assert_eq!(
            hole.set_cookie(&secret).unwrap(),
            format!(
                "csrftoken={}; Max-Age=31449600; Path=/shop/; Domain=.example.com; Secure; HttpOnly; SameSite=Lax",
                "a".repeat(32)
            )
        );
        let bare = of(&format!("csrf;cookie=\"t\";mark=\"{MARK}\"")).unwrap().unwrap();
        assert_eq!(bare.iter().next().unwrap().set_cookie(&secret).unwrap(), format!("t={}", "a".repeat(32)));
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        let hole = |rest: &str| format!("csrf;mark=\"{MARK}\";cookie=\"t\"{rest}");
        let five = [(); 5].map(|()| hole("")).join(", ");
        for field in [
            "",
            "csrf",
            "csrf;cookie=\"t\"",
            &format!("csrf;mark=\"{MARK}\""),
            &format!("csrf;mark=\"{}\";cookie=\"t\"", &MARK[1..]),
            &format!("csrf;mark=\"{}-\";cookie=\"t\"", &MARK[1..]),
            &format!("csrf;mark=\"{MARK}\";cookie=\"a b\""),
            &format!("csrf;mark=\"{MARK}\";cookie=\"a;b\""),
            &format!("csrf;mark=\"{MARK}\";cookie=\"\""),
            &format!("other;mark=\"{MARK}\";cookie=\"t\""),
            &format!("\"csrf\";mark=\"{MARK}\";cookie=\"t\""),
            &hole(";max-age=-1"),
            &hole(";max-age=\"1\""),
            &hole(";path=\"x\""),
            &hole(";path=\"/;Domain=x\""),
            &hole(";domain=\"a;b\""),
            &hole(";samesite=\"Most\""),
            &hole(";secure=?0"),
            &hole(";partitioned"),
            &hole(", other"),
            &hole("\u{7f}"),
            &five,
        ] {
            let Ok(value) = HeaderValue::from_bytes(field.as_bytes()) else { continue };
            let headers = HeaderMap::from_iter([(WEIR_HOLES, value)]);
            assert_eq!(Holes::of(&headers), Err(Reason::Holes), "{field}");
        }
        assert!(of(&hole(";secure")).is_ok());
    }

    #[test]
    fn the_last_cookie_of_the_name_counts() {
        let holes = of(&format!("csrf;mark=\"{MARK}\";cookie=\"t\"")).unwrap().unwrap();
        let hole = holes.iter().next().unwrap();
        let (one, other) = ("b".repeat(32), "c".repeat(32));
        let cases: &[(&[String], Option<&String>)] = &[
            (&[], None),
            (&["x=1; tt=2".into()], None),
            (&[format!("t={one}")], Some(&one)),
            (&[format!("x=1;t={one} ; y=2")], Some(&one)),
            (&[format!("t={one}; t={other}")], Some(&other)),
            (&[format!("t={one}"), format!("t={other}")], Some(&other)),
            (&[format!("t={one}; t=broken")], None),
            (&[format!("t=\"{one}\"")], Some(&one)),
            (&[format!("T={one}")], None),
        ];
        for (lines, expected) in cases {
            let secret = hole.secret(lines.iter().map(String::as_bytes));
            let value = secret.map(|secret| String::from_utf8(secret.cookie_value().to_vec()).unwrap());
            assert_eq!(value.as_ref(), *expected, "{lines:?}");
        }
    }
}
