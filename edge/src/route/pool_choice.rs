//! Which pool or server answers a request, where its location says so with variables.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::settings::{PoolChoiceConfig, ServerScheme};
use crate::variables::{Facts, Template};

/// What a target cannot hold; the percent sign is of whoever has made the value.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'"').add(b'<').add(b'>');

#[derive(Debug)]
pub(crate) struct PoolChoice {
    by: Template,
    target: Option<Template>,
    /// A value may be a URL with a path.
    takes_paths: bool,
    pools: HashMap<Box<str>, Arc<str>>,
    any: Option<Arc<str>>,
    names: bool,
    scheme: ServerScheme,
}

/// Who is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChosenPool {
    pub(crate) pool: Arc<str>,
    /// Empty: one of the pool's own.
    pub(crate) server: Arc<str>,
    /// Path and query to ask for, if the value names them.
    pub(crate) target: Option<String>,
}

impl PoolChoice {
    /// Pages in a cache are asked for by their own path.
    pub(super) fn new(config: &PoolChoiceConfig, caches: bool) -> Self {
        let PoolChoiceConfig { by, target, pools, any, names, scheme } = config;
        let pools = pools.iter().map(|(value, pool)| (value.as_str().into(), pool.as_str().into())).collect();
        Self {
            by: by.clone(),
            target: target.clone(),
            takes_paths: !caches,
            pools,
            any: any.as_deref().map(Arc::from),
            names: *names,
            scheme: *scheme,
        }
    }

    /// `None`: the value is neither a pool nor a server that may be asked.
    pub(crate) fn of(&self, facts: &Facts<'_>) -> Option<ChosenPool> {
        let value = self.by.value(facts);
        let text = std::str::from_utf8(&value).ok()?;
        let (scheme, port) = match self.scheme {
            ServerScheme::Http => ("http", 80),
            ServerScheme::Https => ("https", 443),
            ServerScheme::Uwsgi => ("uwsgi", 80),
            ServerScheme::Fastcgi => ("fastcgi", 80),
        };
        let text = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).unwrap_or(text);
        let socket = text.strip_prefix("unix:");
        let host_ends = match socket {
            Some(socket) => socket.find(':').map(|colon| colon + "unix:".len()),
            None => text.find('/'),
        };
        let (text, path) = text.split_at_checked(host_ends.unwrap_or(text.len()))?;
        let path = path.strip_prefix(':').unwrap_or(path);
        if !path.is_empty() && !self.takes_paths {
            return None;
        }
        let named = self.target.as_ref().map(|target| target.value(facts));
        let target = named.as_deref().unwrap_or(path.as_bytes());
        let target = target.starts_with(b"/").then(|| percent_encode(target, ESCAPED).to_string());
        if let Some(pool) = self.pools.get(text) {
            return Some(ChosenPool { pool: pool.clone(), server: Arc::default(), target });
        }
        let pool = self.any.clone()?;
        let server = match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => format!("{scheme}+unix://{path}"),
            Some(_) => return None,
            None => {
                let (host, port) = host_and_port(text, port)?;
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                let is_known = self.names && is_name(host) || bare.parse::<IpAddr>().is_ok();
                is_known.then(|| format!("{scheme}://{host}:{port}"))?
            }
        };
        Some(ChosenPool { pool, server: server.into(), target })
    }
}

/// A host and its port, or the usual one.
fn host_and_port(text: &str, usual: u16) -> Option<(&str, u16)> {
    let after_host = text.rfind(']').map_or(0, |end| end + 1);
    match text.get(after_host..)?.rfind(':') {
        Some(colon) => {
            let (host, port) = text.split_at_checked(after_host + colon)?;
            let digits =
                port.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?;
            Some((host, digits.parse().ok().filter(|port| *port > 0)?))
        }
        None => Some((text, usual)),
    }
}

fn is_name(host: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(is_of_name)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::variables::facts::tests::facts_of;

    #[test]
    fn a_value_is_a_pool_or_a_server() {
        let config = |names| PoolChoiceConfig {
            by: Template::parse("$arg_b").unwrap(),
            target: None,
            pools: [("blue".to_owned(), "pool-1".to_owned())].into(),
            any: Some("any".to_owned()),
            names,
            scheme: ServerScheme::Http,
        };
        let headers = HeaderMap::new();
        for (names, value, expected) in [
            (false, "blue", Some(("pool-1", ""))),
            (false, "http://blue", Some(("pool-1", ""))),
            (false, "127.0.0.1:81", Some(("any", "http://127.0.0.1:81"))),
            (false, "127.0.0.1", Some(("any", "http://127.0.0.1:80"))),
            (false, "[::1]:81", Some(("any", "http://[::1]:81"))),
            (false, "[::1]", Some(("any", "http://[::1]:80"))),
            (false, "unix:/run/a.sock", Some(("any", "http+unix:///run/a.sock"))),
            (false, "app:81", None),
            (true, "app:81", Some(("any", "http://app:81"))),
            (true, "app", Some(("any", "http://app:80"))),
            (true, "https://app", None),
            (true, "app/x", Some(("any", "http://app:80"))),
            (true, "a@b", None),
            (true, "app:0", None),
            (true, "app:", None),
            (true, "", None),
        ] {
            let target = format!("/?b={value}");
            let chosen = PoolChoice::new(&config(names), false).of(&facts_of(&target, &headers));
            let chosen = chosen.as_ref().map(|chosen| (&*chosen.pool, &*chosen.server));
            assert_eq!(chosen, expected, "{names} {value}");
        }
        let target = |value: &str| {
            let asked = format!("/?b={value}");
            PoolChoice::new(&config(true), false)
                .of(&facts_of(&asked, &headers))
                .and_then(|chosen| chosen.target)
        };
        assert_eq!(target("http://blue/x?y").as_deref(), Some("/x?y"));
        assert_eq!(target("unix:/run/a.sock:/x").as_deref(), Some("/x"));
        assert_eq!(target("blue"), None);
        let with_target = PoolChoiceConfig { target: Template::parse("/x y$uri?$args").ok(), ..config(true) };
        let chosen = PoolChoice::new(&with_target, true).of(&facts_of("/z?b=blue", &headers));
        assert_eq!(chosen.and_then(|chosen| chosen.target).as_deref(), Some("/x%20y/z?b=blue"));
        assert_eq!(PoolChoice::new(&config(true), true).of(&facts_of("/?b=blue/x", &headers)), None);
    }
}
