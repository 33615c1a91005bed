//! What a request says of its client: believed from trusted proxies only, removed from everybody else.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http_cache::fields;
use ipnet::IpNet;

use crate::application::ask::{Client, Scheme};

/// Whether what this peer says of its client is believed.
pub(crate) fn trusts(trusted: &[IpNet], peer: SocketAddr) -> bool {
    let address = peer.ip().to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// Fields by which a proxy speaks of the client, or by which a client could steer an application behind one.
fn is_forwarding(name: &str) -> bool {
    matches!(
        name,
        "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-proto"
            | "x-forwarded-protocol"
            | "x-forwarded-scheme"
            | "x-forwarded-ssl"
            | "x-forwarded-host"
            | "x-forwarded-server"
            | "x-forwarded-port"
            | "x-forwarded-prefix"
            | "x-real-ip"
            | "x-scheme"
            | "x-url-scheme"
            | "front-end-https"
    )
}

/// Fields that rewrite the request behind the cache's back; nobody may send them.
fn is_rewriting(name: &str) -> bool {
    matches!(
        name,
        "x-original-url"
            | "x-rewrite-url"
            | "x-accel-redirect"
            | "x-accel-expires"
            | "x-accel-buffering"
            | "proxy"
    )
}

/// The client and its scheme; afterwards `headers` hold nothing of this kind that is not to be believed.
pub(crate) fn settle(
    headers: &mut HeaderMap,
    peer: SocketAddr,
    own: Scheme,
    trusted: &[IpNet],
) -> (Client, Scheme) {
    fields::remove(headers, is_rewriting);
    let peer_address = peer.ip().to_canonical();
    let from_peer = Client { address: peer_address, port: peer.port() };
    if !trusted.iter().any(|net| net.contains(&peer_address)) {
        fields::remove(headers, is_forwarding);
        return (from_peer, own);
    }
    let scheme = match headers.get("x-forwarded-proto").map(|value| value.as_bytes()) {
        Some(b"https") => Scheme::Https,
        Some(b"http") => Scheme::Http,
        _ => own,
    };
    let client = forwarded_for(headers, trusted).map_or(from_peer, |address| Client { address, port: 0 });
    (client, scheme)
}

/// The right-most address that is not a trusted proxy: what stands left of it is hearsay.
fn forwarded_for(headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter();
    let chain: Vec<&str> =
        lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).collect();
    let mut client = None;
    for hop in chain.iter().rev() {
        let Some(address) = address(hop.trim()) else { break };
        client = Some(address);
        if !trusted.iter().any(|net| net.contains(&address)) {
            break;
        }
    }
    client
}

/// An address with or without port, IPv6 with or without brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(hop, |(inside, _)| inside);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Peer, X-Forwarded-For lines, X-Forwarded-Proto; the client's address and port, its scheme, whether the fields are kept.
    type Case = (&'static str, &'static [&'static str], &'static str, &'static str, u16, Scheme, bool);

    #[test]
    fn believes_trusted_proxies_only() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let cases: &[Case] = &[
            ("192.0.2.1:5000", &["203.0.113.9"], "https", "192.0.2.1", 5000, Scheme::Http, false),
            ("10.0.0.1:5000", &["203.0.113.9"], "https", "203.0.113.9", 0, Scheme::Https, true),
            (
                "10.0.0.1:5000",
                &["6.6.6.6, 203.0.113.9, 10.0.0.7"],
                "http",
                "203.0.113.9",
                0,
                Scheme::Http,
                true,
            ),
            ("10.0.0.1:5000", &["6.6.6.6", "203.0.113.9,10.0.0.7"], "", "203.0.113.9", 0, Scheme::Http, true),
            ("10.0.0.1:5000", &["203.0.113.9:4711"], "", "203.0.113.9", 0, Scheme::Http, true),
            ("10.0.0.1:5000", &["[2001:db8::1]:4711"], "", "2001:db8::1", 0, Scheme::Http, true),
            ("10.0.0.1:5000", &["10.0.0.9"], "", "10.0.0.9", 0, Scheme::Http, true),
            ("10.0.0.1:5000", &["junk"], "ftp", "10.0.0.1", 5000, Scheme::Http, true),
            ("10.0.0.1:5000", &[], "", "10.0.0.1", 5000, Scheme::Http, true),
            ("[::ffff:10.0.0.1]:5000", &["203.0.113.9"], "", "203.0.113.9", 0, Scheme::Http, true),
        ];
        for (peer, lines, proto, address, port, scheme, kept) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
            }
            headers.insert("x-forwarded-proto", HeaderValue::from_str(proto).unwrap());
            headers.insert("x-original-url", HeaderValue::from_static("/admin"));
            let (client, found) = settle(&mut headers, peer.parse().unwrap(), Scheme::Http, &trusted);
            assert_eq!(client, Client { address: address.parse().unwrap(), port: *port }, "{peer} {lines:?}");
            assert_eq!(found, *scheme, "{peer} {proto}");
            assert_eq!(headers.contains_key("x-forwarded-proto"), *kept);
            assert!(!headers.contains_key("x-original-url"));
        }
    }
}
