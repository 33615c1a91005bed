//! Holes of a page that is shared: places that the edge fills for each visitor. The application declares
//! them in the field Weir-Holes, and its body has a mark at each place.
//!
//! A mark is random, so that nobody who writes a part of the page can write one. The field is stored with the
//! page as any other. It is a List of RFC 9651, with three kinds of members:
//!
//! * `csrf;mark="…";cookie="csrftoken";max-age=31449600;path="/";samesite="Lax"`: the mark stands where
//!   Django writes a masked token; the rest describes the cookie that holds the secret ([`token_cookie`]);
//! * `value;mark="…";cookie="weir_values";name="name";default=%"friend"`: the mark stands for a text that the
//!   visitor has in a cookie which the application has signed ([`named_value`]);
//! * `nonce;mark="…"`: the mark stands for the nonce of the page's Content-Security-Policy, in the body and
//!   in that field ([`nonce`]).

pub mod filler;
pub mod named_value;
pub mod nonce;
pub mod token;
pub mod token_cookie;

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Item, List, ListEntry, Parser};

use crate::Reason;
use named_value::NamedValue;
use token::LENGTH;
use token_cookie::TokenCookie;

/// In a request: what the edge can fill, if the reply may be shared. In a reply: what there is to fill.
pub const WEIR_HOLES: HeaderName = HeaderName::from_static(FIELD);
pub const FIELD: &str = "weir-holes";
/// What the edge can fill.
pub const OFFER: &str = "csrf, value, nonce";

/// Added to the status of a page with holes between edges and nodes. An edge that does not know of holes
/// takes such an entry for damaged, instead of sending its marks to visitors.
pub(crate) const WITH_HOLES: u32 = 1000;

/// The most that one page declares.
const MOST: usize = 8;

/// What stands in a page where a value is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark([u8; LENGTH]);

/// What a page declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holes(Vec<Hole>);

/// Places in a page, and what fills them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    pub mark: Mark,
    pub content: HoleContent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoleContent {
    /// A masked token of the secret in this cookie.
    Token(TokenCookie),
    Value(NamedValue),
    /// Another text each time.
    Nonce,
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

    /// Whether texts fill some of them, whose lengths are not those of their marks.
    pub fn have_values(&self) -> bool {
        self.0.iter().any(|hole| matches!(hole.content, HoleContent::Value(_)))
    }
}

impl Hole {
    fn of(entry: &ListEntry) -> Option<Self> {
        let ListEntry::Item(Item { bare_item: BareItem::Token(kind), params }) = entry else { return None };
        let mut params = params.clone();
        let Some(BareItem::String(mark)) = params.shift_remove("mark") else { return None };
        let content = match kind.as_str() {
            "csrf" => HoleContent::Token(TokenCookie::of(&params)?),
            "value" => HoleContent::Value(NamedValue::of(&params)?),
            "nonce" if params.is_empty() => HoleContent::Nonce,
            _ => return None,
        };
        Some(Self { mark: Mark::new(mark.as_str())?, content })
    }
}

/// RFC 6265 section 4.1.1: a token.
fn is_cookie_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::token::Secret;
    use super::*;

    const MARK: &str = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123";

    fn of(field: &str) -> Result<Option<Holes>, Reason> {
        let mut headers = HeaderMap::new();
        headers.append(WEIR_HOLES, field.parse().unwrap());
        Holes::of(&headers)
    }

    fn token_cookie(holes: &Holes) -> &TokenCookie {
        match &holes.iter().next().unwrap().content {
            HoleContent::Token(cookie) => cookie,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_reply_declares() {
        assert_eq!(Holes::of(&HeaderMap::new()), Ok(None));
        let all = format!(
            "csrf;mark=\"{MARK}\";cookie=\"csrftoken\";max-age=31449600;path=\"/shop/\";domain=\".example.com\";\
             secure;httponly;samesite=\"Lax\""
        );
        let holes = of(&all).unwrap().unwrap();
        assert_eq!(holes.iter().next().unwrap().mark.as_bytes(), MARK.as_bytes());
        let secret = Secret::new([0; 32]);
        assert_eq!(
            token_cookie(&holes).set_cookie(&secret).unwrap(),
            format!(
                "csrftoken={}; Max-Age=31449600; Path=/shop/; Domain=.example.com; Secure; HttpOnly; SameSite=Lax",
                "a".repeat(32)
            )
        );
        let bare = of(&format!("csrf;cookie=\"t\";mark=\"{MARK}\"")).unwrap().unwrap();
        assert_eq!(token_cookie(&bare).set_cookie(&secret).unwrap(), format!("t={}", "a".repeat(32)));
        assert!(!bare.have_values());
        let value =
            format!("value;mark=\"{MARK}\";cookie=\"weir_values\";name=\"name\";default=%\"K%c3%b6nig\"");
        assert!(of(&value).unwrap().unwrap().have_values());
        let nonce = of(&format!("nonce;mark=\"{MARK}\"")).unwrap().unwrap();
        assert_eq!(nonce.iter().next().unwrap().content, HoleContent::Nonce);
        assert!(!nonce.have_values());
        let both = of(&format!("{all}, {value}, value;mark=\"{MARK}\";cookie=\"v\";name=\"n\"")).unwrap();
        assert_eq!(both.unwrap().iter().count(), 3);
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        let hole = |rest: &str| format!("csrf;mark=\"{MARK}\";cookie=\"t\"{rest}");
        let nine = [(); 9].map(|()| hole("")).join(", ");
        let value = |rest: &str| format!("value;mark=\"{MARK}\";cookie=\"v\"{rest}");
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
            &nine,
            &value(""),
            &value(";name=\"\""),
            &value(";name=\"a b\""),
            &value(";name=name"),
            &value(";name=\"n\";default=\"plain\""),
            &value(&format!(";name=\"n\";default=%\"{}\"", "x".repeat(301))),
            &value(";name=\"n\";path=\"/\""),
            &value(";name=\"n\";cookie=\"a;b\""),
            "value;cookie=\"v\";name=\"n\"",
            "nonce",
            &format!("nonce;mark=\"{MARK}\";cookie=\"v\""),
        ] {
            let Ok(value) = HeaderValue::from_bytes(field.as_bytes()) else { continue };
            let headers = HeaderMap::from_iter([(WEIR_HOLES, value)]);
            assert_eq!(Holes::of(&headers), Err(Reason::Holes), "{field}");
        }
        assert!(of(&hole(";secure")).is_ok());
    }
}
