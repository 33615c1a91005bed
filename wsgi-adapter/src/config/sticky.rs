//! `sticky`: a visitor stays with one server, by a cookie of ours or by one of the application's.

use http1::octets::is_token;
use process::settings::Mistakes;
use process::units::Time;
use serde::Deserialize;

/// `sticky = { key = "…" }` or `sticky = { learn = "sessionid" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StickyConfig {
    /// The cookie that we set. `weir_server` is one of those that the edge's cache ignores.
    pub cookie: String,
    /// What its value is signed with, the same at every adapter. 16 bytes or more.
    pub key: Option<String>,
    /// How long browsers keep it. Left out: until they are closed.
    pub expires: Option<Time>,
    pub path: String,
    pub domain: Option<String>,
    /// Sent over HTTPS only. It is always HttpOnly.
    pub secure: bool,
    /// "Lax", "Strict", "None"; empty: not said.
    pub same_site: String,

    /// The application's own cookie: whoever has it goes to the server that set it. Known to this adapter
    /// only.
    pub learn: Option<String>,
    /// What was learnt is forgotten when it has not been used for so long.
    pub timeout: Time,
    /// Cookies that are remembered; beyond it the least used are forgotten.
    pub sessions: usize,
}

/// A shorter key could be found by trying.
const SHORTEST_KEY: usize = 16;

impl Default for StickyConfig {
    fn default() -> Self {
        Self {
            cookie: "weir_server".to_owned(),
            key: None,
            expires: None,
            path: "/".to_owned(),
            domain: None,
            secure: false,
            same_site: "Lax".to_owned(),
            learn: None,
            timeout: Time::from_secs(600),
            sessions: 100_000,
        }
    }
}

impl StickyConfig {
    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        let mut wrong = |key: &str, text: &str| mistakes.push(format!("{path}.{key}"), text);
        match (&self.key, &self.learn) {
            (None, None) => {
                wrong("key", "write key = \"…\" for a cookie of our own, or learn = \"sessionid\"")
            }
            (Some(_), Some(_)) => {
                wrong("learn", "either a cookie of our own (key), or one to learn; keep one")
            }
            (Some(key), None) if key.len() < SHORTEST_KEY => wrong("key", "must have 16 bytes or more"),
            _ => {}
        }
        let names = [("cookie", Some(&self.cookie)), ("learn", self.learn.as_ref())];
        for (key, name) in names {
            if name.is_some_and(|name| !is_token(name.as_bytes())) {
                wrong(key, "not the name of a cookie");
            }
        }
        let values = [("path", Some(&self.path)), ("domain", self.domain.as_ref())];
        for (key, value) in values {
            if value.is_some_and(|value| value.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b';')) {
                wrong(key, "cannot stand in a Set-Cookie field");
            }
        }
        if !["Lax", "Strict", "None", ""].contains(&self.same_site.as_str()) {
            wrong("same_site", "must be \"Lax\", \"Strict\", \"None\" or \"\"");
        }
        if self.same_site == "None" && !self.secure {
            wrong(
                "same_site",
                "browsers drop a cookie with SameSite=None that is not secure; write secure = true",
            );
        }
        if self.timeout.0.is_zero() || self.sessions == 0 {
            wrong("timeout", "timeout and sessions must be more than nothing");
        }
    }
}
