//! Session affinity: which server a visitor has had before, and the cookie by which that is known next time.

use bytes::Bytes;
use http1::reply::ResponseField;
use parking_lot::Mutex;
use ring::hmac;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use weir_proto::origin::RequestHead;

use super::learnt::LearntCookies;
use super::member::{Member, Server, ServerId};
use super::slot_request::cookie;
use crate::config::StickyConfig;

/// Bytes of the signature that a cookie of ours holds: 128 bits.
const ROUTE: usize = 16;

#[derive(Debug)]
pub(super) struct Sticky {
    settings: StickyConfig,
    by: StickyCookie,
}

#[derive(Debug)]
enum StickyCookie {
    /// A cookie of ours, signed with this key.
    Own(hmac::Key),
    /// One of the application's.
    Learning(String, Mutex<LearntCookies>),
}

impl Sticky {
    pub(super) fn new(settings: &StickyConfig) -> Self {
        let by = match &settings.learn {
            Some(name) => {
                let learnt = LearntCookies::new(settings.sessions, settings.timeout.0, Instant::now());
                StickyCookie::Learning(name.clone(), Mutex::new(learnt))
            }
            None => {
                let key = settings.key.as_deref().unwrap_or_default();
                StickyCookie::Own(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
            }
        };
        Self { settings: settings.clone(), by }
    }

    /// The value of our cookie for a server: a signature of its place, that tells nothing of it and that
    /// nobody without the key can make. Every adapter with the same key makes the same.
    pub(super) fn route(&self, pool: &str, address: &str) -> Option<String> {
        let StickyCookie::Own(key) = &self.by else { return None };
        let tag = hmac::sign(key, format!("{pool}\0{address}").as_bytes());
        Some(tag.as_ref().iter().take(ROUTE).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The server that the request's visitor belongs to.
    pub(super) fn bound<'a>(
        &self,
        head: &RequestHead,
        mut members: impl Iterator<Item = &'a Member>,
        now: Instant,
    ) -> Option<ServerId> {
        match &self.by {
            StickyCookie::Own(_) => {
                let route = cookie(head, &self.settings.cookie)?;
                let is = |member: &&Member| {
                    let known = member.server.route.as_deref().unwrap_or_default();
                    bool::from(known.as_bytes().ct_eq(route)) && !route.is_empty()
                };
                members.find(is).map(Member::id)
            }
            StickyCookie::Learning(name, learnt) => {
                let value = cookie(head, name).filter(|value| !value.is_empty())?;
                learnt.lock().find(value, now)
            }
        }
    }

    /// After a reply of `server`, which the visitor was not bound to: the next request is to go there as
    /// well.
    pub(super) fn bind(
        &self,
        head: &RequestHead,
        server: &Server,
        fields: &mut Vec<ResponseField>,
        now: Instant,
    ) {
        // A page that others get too is nobody's.
        if head.shared {
            return;
        }
        match (&self.by, &server.route) {
            (StickyCookie::Own(_), Some(route)) => {
                let name = Bytes::from_static(b"set-cookie");
                fields.push(ResponseField { name, value: self.set_cookie(route).into() });
            }
            (StickyCookie::Own(_), None) => {}
            (StickyCookie::Learning(name, learnt), _) => {
                let set = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(b"set-cookie"));
                let set = set.filter_map(|field| set_value(&field.value, name)).next_back();
                if let Some(value) = set.or_else(|| cookie(head, name)).filter(|value| !value.is_empty()) {
                    learnt.lock().learn(value, server.id, now);
                }
            }
        }
    }

    /// Does a reply have to be looked at although the visitor is where they belong?
    pub(super) fn always_looks(&self) -> bool {
        matches!(self.by, StickyCookie::Learning(..))
    }

    fn set_cookie(&self, route: &str) -> String {
        let StickyConfig { cookie, expires, path, domain, secure, same_site, .. } = &self.settings;
        let mut text = format!("{cookie}={route}; Path={path}; HttpOnly");
        if let Some(domain) = domain {
            text.push_str(&format!("; Domain={domain}"));
        }
        if let Some(expires) = expires {
            text.push_str(&format!("; Max-Age={}", expires.0.as_secs()));
        }
        if *secure {
            text.push_str("; Secure");
        }
        if !same_site.is_empty() {
            text.push_str(&format!("; SameSite={same_site}"));
        }
        text
    }
}

/// The value that a Set-Cookie field gives the cookie of this name.
fn set_value<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let pair = field.split(|&byte| byte == b';').next()?;
    pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_says_what_the_settings_say() {
        let usual = StickyConfig { key: Some("0123456789abcdef".to_owned()), ..StickyConfig::default() };
        let secure = StickyConfig {
            domain: Some("a.example".to_owned()),
            secure: true,
            same_site: "None".to_owned(),
            ..usual.clone()
        };
        for (settings, expected) in [
            (usual, "weir_server=ab; Path=/; HttpOnly; SameSite=Lax"),
            (secure, "weir_server=ab; Path=/; HttpOnly; Domain=a.example; Secure; SameSite=None"),
        ] {
            assert_eq!(Sticky::new(&settings).set_cookie("ab"), expected);
        }
    }
}
