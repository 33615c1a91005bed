//! One request that both programs are asked.

use std::fmt;

/// A request, and the listener that it goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// The listener as the file names it: `80`, `[::]:443`.
    pub listen: String,
    pub secure: bool,
    pub method: String,
    pub host: String,
    /// Path and query.
    pub target: String,
    pub fields: Vec<(String, String)>,
}

impl Probe {
    /// RFC 9110 section 9.2.1: "GET, HEAD, OPTIONS, and TRACE methods are defined to be safe".
    pub fn is_safe(&self) -> bool {
        is_safe(&self.method)
    }

    /// The lines that are sent.
    pub fn head(&self) -> String {
        let Self { method, host, target, .. } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.is_safe() {
            head.push_str("Content-Length: 0\r\n");
        }
        head + "Connection: close\r\n\r\n"
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Whether a request by this method changes nothing.
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, secure, method, host, target, fields } = self;
        let scheme = if *secure { "https" } else { "http" };
        write!(f, "{method} {scheme}://{host}{target} at {listen}")?;
        fields.iter().try_for_each(|(name, value)| write!(f, ", {name}: {value}"))
    }
}
