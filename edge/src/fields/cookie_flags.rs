//! nginx's `proxy_cookie_flags`: Secure, HttpOnly and SameSite of the cookies that an application sets.

use crate::variables::expression::{self, Expression};

#[derive(Debug)]
pub(super) struct CookieFlags {
    name: CookieName,
    /// `None`: stays as it is.
    secure: Option<bool>,
    http_only: Option<bool>,
    /// Empty: is taken away.
    same_site: Option<&'static str>,
}

#[derive(Debug)]
enum CookieName {
    Text(String),
    Regex(Expression),
}

impl CookieFlags {
    pub(super) fn parse(name: &str, flags: &[String]) -> Result<Self, String> {
        // As in nginx, "~" alone is for all cookies.
        let name = match expression::parse(if name == "~" { "~^" } else { name }) {
            Some(regex) => CookieName::Regex(regex?),
            None => CookieName::Text(name.to_owned()),
        };
        let mut parsed = Self { name, secure: None, http_only: None, same_site: None };
        for flag in flags {
            match flag.to_ascii_lowercase().as_str() {
                "secure" => parsed.secure = Some(true),
                "nosecure" => parsed.secure = Some(false),
                "httponly" => parsed.http_only = Some(true),
                "nohttponly" => parsed.http_only = Some(false),
                "samesite=strict" => parsed.same_site = Some("Strict"),
                "samesite=lax" => parsed.same_site = Some("Lax"),
                "samesite=none" => parsed.same_site = Some("None"),
                "nosamesite" => parsed.same_site = Some(""),
                other => return Err(format!("`{other}` is no flag such as \"secure\" or \"samesite=lax\"")),
            }
        }
        Ok(parsed)
    }

    /// Whether it is for the cookie of a line.
    pub(super) fn is_for(&self, line: &[u8]) -> bool {
        let name = line.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        match &self.name {
            CookieName::Text(own) => own.as_bytes().eq_ignore_ascii_case(name),
            // What cannot be searched to its end stays as it is.
            CookieName::Regex(regex) => regex.is_match(name).unwrap_or(false),
        }
    }

    pub(super) fn set(&self, line: &[u8]) -> Vec<u8> {
        let is = |part: &[u8], name: &str| {
            let own = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            own.eq_ignore_ascii_case(name.as_bytes())
        };
        let stays = |part: &&[u8]| {
            !(self.secure.is_some() && is(part, "secure")
                || self.http_only.is_some() && is(part, "httponly")
                || self.same_site.is_some() && is(part, "samesite"))
        };
        let mut parts = line.split(|byte| *byte == b';');
        let cookie = parts.next().unwrap_or_default();
        let mut set = [cookie].into_iter().chain(parts.filter(stays)).collect::<Vec<_>>().join(&b';');
        if self.secure == Some(true) {
            set.extend_from_slice(b"; Secure");
        }
        if self.http_only == Some(true) {
            set.extend_from_slice(b"; HttpOnly");
        }
        if let Some(same_site) = self.same_site.filter(|same_site| !same_site.is_empty()) {
            set.extend_from_slice(format!("; SameSite={same_site}").as_bytes());
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_added_changed_and_taken_away() {
        let cases = [
            (
                "a",
                "secure samesite=lax",
                "a=1; Path=/; secure; SameSite=None",
                "a=1; Path=/; Secure; SameSite=Lax",
            ),
            ("A", "httponly", "a=1", "a=1; HttpOnly"),
            (
                "~^sess",
                "nosecure nosamesite nohttponly",
                "sess=1; Secure; HttpOnly; SameSite=Lax; Path=/x",
                "sess=1; Path=/x",
            ),
            ("a", "", "a=1; Secure", "a=1; Secure"),
        ];
        for (name, flags, line, expected) in cases {
            let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
            let flags = CookieFlags::parse(name, &flags).unwrap();
            assert!(flags.is_for(line.as_bytes()), "{name}");
            assert_eq!(String::from_utf8(flags.set(line.as_bytes())).unwrap(), expected);
            assert!(!flags.is_for(b"other=1"));
        }
        assert!(CookieFlags::parse("~", &["secure".to_owned()]).unwrap().is_for(b"other=1"));
        assert!(CookieFlags::parse("a", &["no".to_owned()]).is_err());
    }
}
