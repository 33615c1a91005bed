//! A host and port as they stand in `Host`, in an absolute-form target, or in HTTP/2's `:authority`.

use std::net::Ipv6Addr;

use super::Refusal;
use crate::octets::{self, HOST};

/// The longest name that DNS can hold, without the dot of the root.
const MAX_HOST: usize = 253;

/// `host[:port]`, checked. The host is as sent: its case does not matter and is left to who compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    text: &'a str,
    /// How much of `text` is the host. Small types: this is moved with every head.
    host: u8,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// A registered name of letters, digits, `-`, `.` and `_`, or an IPv6 address in brackets; then perhaps a
    /// port of 1 to 65535. A colon without a port is dropped (RFC 3986 §6.2.3). Narrower than RFC 3986, which
    /// also allows an empty host, sub-delims, percent-encoding and user information.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let text = str::from_utf8(bytes).map_err(|_| Refusal::Authority)?;
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, _) = rest.split_once(']').ok_or(Refusal::Authority)?;
                address.parse::<Ipv6Addr>().map_err(|_| Refusal::Authority)?;
                text.split_at(address.len() + 2)
            }
            None => {
                let (host, port) = text.split_at(octets::run(bytes, 0, HOST));
                (registered_name(host)?, port)
            }
        };
        let text = text.strip_suffix(':').filter(|_| port == ":").unwrap_or(text);
        let port = match port.strip_prefix(':') {
            Some("") => None,
            Some(digits) => Some(port_number(digits)?),
            None if port.is_empty() => None,
            None => return Err(Refusal::Authority),
        };
        let host = u8::try_from(host.len()).map_err(|_| Refusal::Authority)?;
        Ok(Self { text, host, port })
    }

    /// Without the dot that may end a complete name; an IPv6 address with its brackets.
    pub fn host(&self) -> &'a str {
        self.text.get(..usize::from(self.host)).unwrap_or(self.text)
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// As sent, but for a colon without a port.
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

/// The name without its last dot. Labels are not empty: `a..b` is nobody's name, and some resolvers shorten
/// it.
fn registered_name(name: &str) -> Result<&str, Refusal> {
    let relative = name.strip_suffix('.').unwrap_or(name);
    let labels_are_whole = relative.as_bytes().split(|&byte| byte == b'.').all(|label| !label.is_empty());
    if labels_are_whole && relative.len() <= MAX_HOST { Ok(relative) } else { Err(Refusal::Authority) }
}

fn port_number(digits: &str) -> Result<u16, Refusal> {
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::Authority);
    }
    digits.parse().map_err(|_| Refusal::Authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_hosts_and_ports() {
        let cases: &[(&str, &str, Option<u16>)] = &[
            ("a", "a", None),
            ("Example.COM", "Example.COM", None),
            ("example.com.", "example.com", None),
            ("example.com.:80", "example.com", Some(80)),
            ("my_app-1:8000", "my_app-1", Some(8000)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[::1]:", "[::1]", None),
            ("localhost:", "localhost", None),
            ("localhost.:", "localhost", None),
            ("[2001:DB8::1.2.3.4]:1", "[2001:DB8::1.2.3.4]", Some(1)),
        ];
        for (text, host, port) in cases {
            let authority = Authority::read(text.as_bytes()).unwrap();
            let sent = text.strip_suffix(':').unwrap_or(text);
            assert_eq!((authority.host(), authority.port(), authority.as_str()), (*host, *port, sent));
        }
    }

    #[test]
    fn refuses_what_may_be_read_two_ways() {
        let long = "a".repeat(254);
        let cases: &[&[u8]] = &[
            b"",
            b".",
            b":",
            b":80",
            b"a::",
            b"a:x",
            b"a:0",
            b"a:080",
            b"a:+80",
            b"a:99999",
            b"a:65536",
            b"a:80:80",
            b"a:80 ",
            b"a,b",
            b"a b",
            b" a",
            b"a/b",
            b"a/",
            b"u@a",
            b"u:p@a",
            b"a?b",
            b"a#b",
            b"a\\b",
            b"a\0.b",
            b"a\tb",
            b"a..b",
            b".a",
            b"a..",
            b"%61",
            b"a%00",
            b"a;b",
            b"a'b",
            b"caf\xc3\xa9",
            b"caf\xe9",
            b"[::1",
            b"::1",
            b"[]",
            b"[::1]a",
            b"[::1%25eth0]",
            b"[v1.a]",
            b"[127.0.0.1]",
            b"[[::1]]",
            b"a[::1]",
            b"<a>",
            b"*",
            b"a!b",
            long.as_bytes(),
        ];
        for bytes in cases {
            assert_eq!(Authority::read(bytes), Err(Refusal::Authority), "{}", bytes.escape_ascii());
        }
    }
}
