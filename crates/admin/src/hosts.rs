//! The hosts under which an admin listener answers, so that no web page reaches it by a name of its own (DNS
//! rebinding).
//!
//! A page whose name is made to resolve to this listener still sends that name as Host. It cannot do so with
//! an IP address: a browser sends an address as Host only where the page itself was loaded from that address.
//! So names have to be known, while addresses are safe; probes and scrapers, which come by the address of a
//! pod, need no setting.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use crate::authority::is_local;
use crate::{Answer, answer};

/// The names and addresses of one listener. The default: those of a listener on loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// `admin_hosts`, and the listener's own if it is a name.
    names: Vec<String>,
    /// Whether the listener is reached by other addresses than loopback.
    is_open: bool,
}

impl Hosts {
    /// The hosts of the listener at `address`, as in the settings, and the `admin_hosts` beside it.
    pub fn new(address: &str, names: &[String]) -> Self {
        let own = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let own = literal(own).is_none().then(|| own.to_owned());
        let names = names.iter().cloned().chain(own);
        Self { names: names.collect(), is_open: !is_local(address) }
    }

    /// The answer to a request that is meant for another host. `None`: it is meant for this one.
    pub(crate) fn refusal<B>(&self, request: &Request<B>) -> Option<Answer> {
        let mut lines = request.headers().get_all(HOST).iter();
        let host = match (lines.next(), lines.next()) {
            (Some(host), None) => Some(host),
            // RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any
            // HTTP/1.1 request message that lacks a Host header field and to any request message that
            // contains more than one Host header field line". Probes that speak HTTP/1.0 send none; browsers
            // always do.
            (None, _) if request.version() <= http::Version::HTTP_10 => None,
            _ => return Some(answer::text(StatusCode::BAD_REQUEST, "send one Host field\n")),
        };
        let in_target = request.uri().authority();
        let is_ours = host.is_none_or(|host| read(host).is_some_and(|host| self.has(&host)));
        if is_ours && in_target.is_none_or(|host| self.has(host)) {
            return None;
        }
        let text = "this host is not one of the admin listener's; add its name to `admin_hosts`\n";
        Some(answer::text(StatusCode::MISDIRECTED_REQUEST, text))
    }

    fn has(&self, host: &Authority) -> bool {
        if host.as_str().contains('@') {
            return false;
        }
        match literal(host.host()) {
            Some(ip) => self.is_open || ip.to_canonical().is_loopback(),
            None => is_localhost(host) || self.is_named(host),
        }
    }

    fn is_named(&self, host: &Authority) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(without_dot(host.host())))
    }

    /// Whether a request to change something comes from no page, or from one of this listener. Browsers say
    /// from where a page sends; scripts have nothing to say.
    pub(crate) fn sent_it(&self, fields: &HeaderMap) -> bool {
        let from_here = |site: &HeaderValue| site == "same-origin" || site == "none";
        if !fields.get_all("sec-fetch-site").iter().all(from_here) {
            return false;
        }
        let host = fields.get(HOST).and_then(read);
        fields.get_all(ORIGIN).iter().all(|origin| {
            let origin = read_origin(origin);
            origin.is_some_and(|(origin, port)| match &host {
                Some(host) if self.has(&origin) => {
                    self.is_named(&origin) || host.port_u16().unwrap_or(80) == port
                }
                _ => false,
            })
        })
    }
}

/// What is wrong with a name of `admin_hosts`. `None`: nothing.
pub fn mistake(name: &str) -> Option<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_wrong = name.is_empty() || !name.bytes().all(is_name);
    is_wrong
        .then(|| format!("\"{name}\" is not a name; write it without scheme and port: \"admin.example.com\""))
}

fn read(host: &HeaderValue) -> Option<Authority> {
    host.to_str().ok()?.parse().ok()
}

/// The host and the port that an Origin names.
fn read_origin(origin: &HeaderValue) -> Option<(Authority, u16)> {
    let (scheme, host) = origin.to_str().ok()?.split_once("://")?;
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host: Authority = host.parse().ok()?;
    let port = host.port_u16().unwrap_or(usual);
    Some((host, port))
}

fn literal(host: &str) -> Option<IpAddr> {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(host) => host.parse().ok().filter(IpAddr::is_ipv6),
        None => host.parse().ok().filter(IpAddr::is_ipv4),
    }
}

fn is_localhost(host: &Authority) -> bool {
    without_dot(host.host()).eq_ignore_ascii_case("localhost")
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[(&str, &str)]) -> Request<()> {
        let request = Request::builder().uri("/");
        lines.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
    }

    #[test]
    fn whose_requests_are_answered() {
        let names = ["Admin.example.com".to_owned()];
        let local = Hosts::new("127.0.0.1:9900", &names);
        let open = Hosts::new("0.0.0.0:9900", &[]);
        let named = Hosts::new("box.invalid:9900", &[]);
        for (hosts, host, status) in [
            (&local, "localhost", 200),
            (&local, "LOCALHOST.:9900", 200),
            (&local, "127.0.0.1:9900", 200),
            (&local, "127.8.9.1:1", 200),
            (&local, "[::1]:9900", 200),
            (&local, "[::ffff:127.0.0.1]:9900", 200),
            (&local, "admin.EXAMPLE.com:443", 200),
            (&local, "evil.example", 421),
            (&local, "localhost.evil.example", 421),
            (&local, "admin.example.com.evil.example", 421),
            (&local, "127.0.0.1.evil.example:9900", 421),
            (&local, "localhost@evil.example", 421),
            (&local, "evil@localhost", 421),
            (&local, "192.0.2.1:9900", 421),
            (&local, "0.0.0.0:9900", 421),
            (&local, "[2001:db8::1]:9900", 421),
            (&local, "::1", 421),
            (&local, "", 421),
            (&open, "192.0.2.1:9900", 200),
            (&open, "10.1.2.3", 200),
            (&open, "[2001:db8::1]:9900", 200),
            (&open, "localhost:9900", 200),
            (&open, "evil.example:9900", 421),
            (&named, "box.invalid:9900", 200),
            (&named, "evil.example:9900", 421),
        ] {
            let refusal = hosts.refusal(&request(&[("host", host)]));
            assert_eq!(refusal.map_or(200, |answer| answer.status().as_u16()), status, "{hosts:?} {host}");
        }
        let in_target = Request::builder().uri("http://evil.example/").header("host", "localhost");
        assert!(local.refusal(&in_target.body(()).unwrap()).is_some());
        assert_eq!(local.refusal(&request(&[])).unwrap().status(), 400);
        let twice = request(&[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(local.refusal(&twice).unwrap().status(), 400);
        let old = Request::builder().version(http::Version::HTTP_10).body(()).unwrap();
        assert!(local.refusal(&old).is_none());
    }

    #[test]
    fn whose_pages_may_change_something() {
        let hosts = Hosts::new("127.0.0.1:9900", &["admin.example.com".to_owned()]);
        let from = |origin| ("origin", origin);
        let site = |site| ("sec-fetch-site", site);
        for (lines, may) in [
            (vec![], true),
            (vec![from("http://127.0.0.1:9900")], true),
            (vec![from("http://127.0.0.1:9900"), site("same-origin")], true),
            (vec![from("http://localhost:9900")], true),
            (vec![site("none")], true),
            // A request through a proxy that has the certificate.
            (vec![from("https://admin.example.com")], true),
            (vec![from("http://localhost:3000")], false),
            (vec![from("http://localhost")], false),
            (vec![from("http://evil.example:9900")], false),
            (vec![from("https://evil.example")], false),
            (vec![from("null")], false),
            (vec![from("")], false),
            (vec![from("file://localhost:9900")], false),
            (vec![from("http://127.0.0.1:9900"), from("http://evil.example")], false),
            (vec![site("cross-site")], false),
            (vec![site("same-site")], false),
            (vec![from("http://127.0.0.1:9900"), site("cross-site")], false),
        ] {
            let mut all = vec![("host", "127.0.0.1:9900")];
            all.extend(&lines);
            assert_eq!(hosts.sent_it(request(&all).headers()), may, "{lines:?}");
        }
    }

    #[test]
    fn names_are_names() {
        for (name, is_right) in [
            ("admin", true),
            ("a.example", true),
            ("", false),
            ("http://a", false),
            ("a:80", false),
            ("*", false),
        ] {
            assert_eq!(mistake(name).is_none(), is_right, "{name}");
        }
    }
}
