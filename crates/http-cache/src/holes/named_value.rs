//! A text of one visitor's ("Ann") for a hole, from a cookie that the application has signed.
//!
//! The cookie is `PAYLOAD.SIGNATURE`, each in base64url without padding. The payload is a list with a NUL
//! between its parts: the second of Unix time at which it expires, then names and values in turn. Signed is
//! `weir-values`, NUL, the cookie's name, NUL, and the payload as it stands in the cookie.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sfv::{BareItem, Parameters};

use super::is_cookie_name;
use crate::policy::cookies::pairs;

/// What a signature begins with, so that nothing else that is signed with the key can be taken for it.
const PURPOSE: &[u8] = b"weir-values";
/// Bytes of a cookie, of a value in it, and of a name. Browsers keep no larger cookie.
const LONGEST_COOKIE: usize = 4096;
const LONGEST_TEXT: usize = 300;
const LONGEST_NAME: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedValue {
    cookie: String,
    name: String,
    /// The text for those who have no such value.
    default: String,
}

impl NamedValue {
    pub(super) fn of(params: &Parameters) -> Option<Self> {
        let (mut cookie, mut name, mut default) = (None, None, String::new());
        for (key, value) in params {
            match (key.as_str(), value) {
                ("cookie", BareItem::String(text)) => cookie = Some(text.as_str().to_owned()),
                ("name", BareItem::String(text)) => name = Some(text.as_str().to_owned()),
                ("default", BareItem::DisplayString(text)) => default.clone_from(text),
                _ => return None,
            }
        }
        let (cookie, name) = (cookie?, name?);
        let is_right = is_cookie_name(&cookie)
            && is_cookie_name(&name)
            && name.len() <= LONGEST_NAME
            && default.len() <= LONGEST_TEXT;
        is_right.then_some(Self { cookie, name, default })
    }

    /// The visitor's text as HTML. `now`: the second of Unix time. `is_signed`: whether the second is a
    /// signature of the first by a key of the application's. As for tokens, the last cookie of the name
    /// counts, and one that is forged, expired or makes no sense is none.
    pub fn html<'a>(
        &self,
        lines: impl Iterator<Item = &'a [u8]>,
        now: u64,
        is_signed: impl Fn(&[u8], &[u8]) -> bool,
    ) -> String {
        let ours = lines.flat_map(pairs).filter(|cookie| cookie.name == self.cookie.as_bytes());
        let text = ours.last().and_then(|cookie| self.signed(cookie.value, now, is_signed));
        escaped(text.as_deref().unwrap_or(&self.default))
    }

    fn signed(&self, cookie: &[u8], now: u64, is_signed: impl Fn(&[u8], &[u8]) -> bool) -> Option<String> {
        if cookie.len() > LONGEST_COOKIE {
            return None;
        }
        let at = memchr::memchr(b'.', cookie)?;
        let (payload, signature) = cookie.split_at_checked(at)?;
        let signature = URL_SAFE_NO_PAD.decode(signature.get(1..)?).ok()?;
        let message = [PURPOSE, b"\0", self.cookie.as_bytes(), b"\0", payload].concat();
        if !is_signed(&message, &signature) {
            return None;
        }
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let mut parts = payload.split('\0');
        let expires: u64 = parts.next()?.parse().ok()?;
        if expires <= now {
            return None;
        }
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            if name == self.name {
                let is_text = value.len() <= LONGEST_TEXT && !value.contains(char::is_control);
                return is_text.then(|| value.to_owned());
            }
        }
        None
    }
}

/// As Django writes a text into HTML: it may stand between tags, and within quotes as an attribute.
fn escaped(text: &str) -> String {
    let letter = |letter| match letter {
        '&' => Cow::Borrowed("&amp;"),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        '\'' => "&#x27;".into(),
        other => Cow::Owned(String::from(other)),
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn value(name: &str) -> NamedValue {
        NamedValue { cookie: "weir_values".into(), name: name.into(), default: "<friend>".into() }
    }

    /// A signature that anybody can make: which keys count is the caller's.
    fn mac(message: &[u8]) -> Vec<u8> {
        message.iter().rev().copied().collect()
    }

    fn cookie(payload: &str) -> String {
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let message = [b"weir-values\0weir_values\0", payload.as_bytes()].concat();
        format!("weir_values={payload}.{}", URL_SAFE_NO_PAD.encode(mac(&message)))
    }

    fn filled(name: &str, lines: &[&str]) -> String {
        let is_signed = |message: &[u8], signature: &[u8]| mac(message) == signature;
        value(name).html(lines.iter().map(|line| line.as_bytes()), NOW, is_signed)
    }

    #[test]
    fn a_signed_value_is_filled_as_html() {
        let ann = cookie("1700000001\0name\0Ann\0city\0K\u{f6}ln <b>&\"'");
        assert_eq!(filled("name", &[&ann]), "Ann");
        assert_eq!(filled("city", &[&ann]), "K\u{f6}ln &lt;b&gt;&amp;&quot;&#x27;");
        assert_eq!(filled("name", &["a=b", &format!("x=1; {ann} ; y=2")]), "Ann");
        assert_eq!(filled("name", &[&cookie("1700000001\0name\0")]), "", "an empty one is one too");
        let ben = cookie("1700000001\0name\0Ben");
        assert_eq!(filled("name", &[&format!("{ann}; {ben}")]), "Ben", "the last one counts");
    }

    #[test]
    fn anything_else_is_the_default() {
        let good = cookie("1700000001\0name\0Ann");
        let cut = good.rsplit_once('.').unwrap().0;
        let other = good.replace("weir_values=", "other=");
        for line in [
            "",
            "weir_values=",
            "weir_values=.",
            "weir_values=Ann",
            cut,
            &format!("{cut}."),
            &format!("{cut}.AAAA"),
            &format!("{good}=="),
            &format!("{good}A"),
            &format!("{good}; weir_values=x"),
            &other,
            // Expired.
            &cookie("1700000000\0name\0Ann"),
            &cookie("0\0name\0Ann"),
            // Signed, but no such value, or nothing that an application would sign.
            &cookie("1700000001\0city\0name"),
            &cookie("1700000001\0name"),
            &cookie("1700000001"),
            &cookie(""),
            &cookie("-1\0name\0Ann"),
            &cookie("soon\0name\0Ann"),
            &cookie("1700000001\0name\0A\nnn"),
            &cookie(&format!("1700000001\0name\0{}", "x".repeat(301))),
            &cookie(&format!("1700000001\0city\0{}\0name\0Ann", "x".repeat(4000))),
        ] {
            assert_eq!(filled("name", &[line]), "&lt;friend&gt;", "{line}");
        }
        // A cookie of one name, signed for another.
        let signed_for_other = URL_SAFE_NO_PAD.encode(mac(b"weir-values\0other\0MQ"));
        assert_eq!(filled("name", &[&format!("weir_values=MQ.{signed_for_other}")]), "&lt;friend&gt;");
    }
}
