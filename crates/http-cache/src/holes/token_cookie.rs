//! The cookie that holds a visitor's CSRF secret, as the application describes it.

use http::HeaderValue;
use sfv::{BareItem, Parameters};

use super::is_cookie_name;
use super::token::Secret;
use crate::policy::cookies::pairs;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCookie {
    cookie: String,
    /// What follows the value in Set-Cookie.
    attributes: String,
}

impl TokenCookie {
    pub(super) fn of(params: &Parameters) -> Option<Self> {
        let (mut cookie, mut attributes) = (None, String::new());
        for (name, value) in params {
            let attribute = match (name.as_str(), value) {
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
        Some(Self { cookie: cookie?, attributes })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cookie_of_the_name_counts() {
        let hole = TokenCookie { cookie: "t".to_owned(), attributes: String::new() };
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
