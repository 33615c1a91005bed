//! What the fuzz target of these fields calls: whoever sends them, what is left of them agrees with what was
//! decided, and deciding again changes nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderMap;
use http1::head::Scheme;
use ipnet::IpNet;

use super::{is_forwarding, settle};
use crate::request::Via;
use crate::settings::{ForwardingRules, RealIpHeader, TrustedProxies};

/// Decides who sent these fields: by way of a proxy that is trusted, and of one that is not.
#[doc(hidden)]
pub fn settle_forwarded(headers: HeaderMap) {
    let proxies = [IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    for field in [RealIpHeader::XForwardedFor, RealIpHeader::Forwarded] {
        for (trusted, recursive) in [(true, true), (true, false), (false, false)] {
            let proxies = if trusted { &proxies[..] } else { &[] };
            settle_from(headers.clone(), TrustedProxies { proxies, field: &field, recursive });
        }
    }
}

fn settle_from(mut headers: HeaderMap, trusted: TrustedProxies<'_>) {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let via = Via::accepted((peer, 80), 0, 1);
    let rules = ForwardingRules { trusted, hosts: &|_, _| true, keeps_claims: false };
    let Ok(origin) = settle(&mut headers, &via, None, rules) else { return };
    if trusted.proxies.is_empty() {
        assert!(origin.client.address == peer.ip() && origin.scheme == Scheme::Http);
        assert!(!headers.keys().any(|name| is_forwarding(name.as_str())), "believed from anybody");
    }
    let left = headers.clone();
    let again = settle(&mut headers, &via, None, rules);
    assert_eq!((again, headers), (Ok(origin), left));
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_proxies_say() {
        for seed in ["list", "rfc7239"] {
            let path = format!("{}/../fuzz/seeds/forwarded/{seed}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let fields = text.lines().map(|line| line.split_once(": ").unwrap());
            let fields = fields.map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
            });
            settle_forwarded(fields.collect());
        }
    }
}
