//! Who is believed, and what is made of it.

use super::*;

const PEER: &str = "10.0.0.1:5000";

/// What is settled of a request for `host` with these field lines, and the lines that are left.
fn settled(
    peer: &str,
    host: &str,
    lines: &[(&'static str, &str)],
) -> Result<(Origin, Vec<(String, String)>), Refusal> {
    settled_by(&RealIpHeader::XForwardedFor, peer, host, lines)
}

fn settled_by(
    field: &RealIpHeader,
    peer: &str,
    host: &str,
    lines: &[(&'static str, &str)],
) -> Result<(Origin, Vec<(String, String)>), Refusal> {
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let via = Via::accepted((peer.parse().unwrap(), 8080), 0, 0);
    let host = (!host.is_empty()).then(|| Authority::read(host.as_bytes()).unwrap());
    let trusted = TrustedProxies { proxies: &trusted, field, recursive: true };
    let hosts = |_: &str, told: &str| told != "guarded.example";
    let rules = ForwardingRules { trusted, hosts: &hosts, keeps_claims: true };
    let origin = settle(&mut headers, &via, host, rules)?;
    let left = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Ok((origin, left.collect()))
}

fn left_of(lines: &[(&'static str, &str)]) -> Vec<String> {
    let (_, left) = settled(PEER, "own.example", lines).unwrap();
    left.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

#[test]
fn the_client_is_the_right_most_that_is_not_a_trusted_proxy() {
    // Peer, X-Forwarded-For lines; the client's address and port.
    let cases: &[(&str, &[&str], &str, u16)] = &[
        ("192.0.2.1:5000", &["203.0.113.9"], "192.0.2.1", 5000),
        (PEER, &["203.0.113.9"], "203.0.113.9", 0),
        (PEER, &["6.6.6.6, 203.0.113.9, 10.0.0.7"], "203.0.113.9", 0),
        (PEER, &["6.6.6.6", "203.0.113.9,10.0.0.7"], "203.0.113.9", 0),
        (PEER, &["203.0.113.9:4711"], "203.0.113.9", 0),
        (PEER, &["[2001:db8::1]:4711"], "2001:db8::1", 0),
        (PEER, &["10.0.0.9"], "10.0.0.9", 0),
        (PEER, &["junk"], "10.0.0.1", 5000),
        (PEER, &["203.0.113.9, junk"], "10.0.0.1", 5000),
        (PEER, &[], "10.0.0.1", 5000),
        (PEER, &["203.0.113.9, "], "203.0.113.9", 0),
        (PEER, &["203.0.113.9,, ,"], "203.0.113.9", 0),
        (PEER, &["203.0.113.9", ""], "203.0.113.9", 0),
        ("[::ffff:10.0.0.1]:5000", &["203.0.113.9"], "203.0.113.9", 0),
    ];
    for (peer, lines, address, port) in cases {
        let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let (origin, _) = settled(peer, "own.example", &fields).unwrap();
        let client = Client { address: address.parse().unwrap(), port: *port };
        assert_eq!(origin.client, client, "{peer} {lines:?}");
    }
}

#[test]
fn other_fields_name_the_client() {
    let named = |name: &'static str| RealIpHeader::Field(http::HeaderName::from_static(name));
    type Lines = &'static [(&'static str, &'static str)];
    let cases: &[(RealIpHeader, Lines, &str)] = &[
        (named("cf-connecting-ip"), &[("cf-connecting-ip", "203.0.113.9")], "203.0.113.9"),
        (named("cf-connecting-ip"), &[("x-forwarded-for", "203.0.113.9")], "10.0.0.1"),
        (named("x-real-ip"), &[("x-real-ip", "2001:db8::1")], "2001:db8::1"),
        (named("x-chain"), &[("x-chain", "6.6.6.6, 203.0.113.9, 10.0.0.7")], "203.0.113.9"),
        (RealIpHeader::ProxyProtocol, &[("x-forwarded-for", "203.0.113.9")], "10.0.0.1"),
        (RealIpHeader::Forwarded, &[("forwarded", "for=203.0.113.9;proto=https")], "203.0.113.9"),
        (
            RealIpHeader::Forwarded,
            &[("forwarded", "for=6.6.6.6, By=x;For=\"[2001:db8::1]:4711\"")],
            "2001:db8::1",
        ),
        (RealIpHeader::Forwarded, &[("forwarded", "for=203.0.113.9, for=10.0.0.7")], "203.0.113.9"),
        (RealIpHeader::Forwarded, &[("forwarded", "for=203.0.113.9, for=_hidden")], "10.0.0.1"),
        (RealIpHeader::Forwarded, &[("forwarded", "proto=https")], "10.0.0.1"),
        (RealIpHeader::Forwarded, &[("x-forwarded-for", "203.0.113.9")], "10.0.0.1"),
    ];
    for (field, lines, address) in cases {
        let (origin, _) = settled_by(field, PEER, "own.example", lines).unwrap();
        assert_eq!(origin.client.address, address.parse::<IpAddr>().unwrap(), "{field:?} {lines:?}");
        let (origin, left) = settled_by(field, "192.0.2.1:5000", "own.example", lines).unwrap();
        assert_eq!(
            (origin.client.address.to_string(), left),
            ("192.0.2.1".into(), vec![]),
            "{field:?} {lines:?}"
        );
    }
}

#[test]
fn the_scheme_is_what_the_nearest_trusted_proxy_says_first() {
    let http: &[&[(&str, &str)]] = &[
        &[],
        &[("x-forwarded-proto", "http")],
        &[("x-forwarded-proto", "HTTP, https")],
        &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")],
        &[("x-forwarded-proto", "ftp")],
        &[("x-forwarded-proto", "http"), ("front-end-https", "on"), ("x-forwarded-ssl", "on")],
        &[("x-forwarded-ssl", "off")],
        &[("fastly-ssl", "")],
    ];
    let https: &[&[(&str, &str)]] = &[
        &[("x-forwarded-proto", "https")],
        &[("x-forwarded-proto", "HTTPS")],
        &[("x-forwarded-proto", "https, http")],
        &[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")],
        &[("x-forwarded-proto", "wss")],
        &[("x-forwarded-proto", "ftp"), ("x-scheme", "https")],
        &[("x-forwarded-proto", "https"), ("x-scheme", "http")],
        &[("x-forwarded-protocol", "https")],
        &[("x-forwarded-scheme", "https")],
        &[("x-forwarded-ssl", "on")],
        &[("x-scheme", "https")],
        &[("x-url-scheme", "https")],
        &[("front-end-https", "On")],
        &[("fastly-ssl", "1")],
        &[("cloudfront-forwarded-proto", "https"), ("x-forwarded-proto", "http")],
    ];
    for (cases, scheme) in [(http, Scheme::Http), (https, Scheme::Https)] {
        for lines in cases {
            assert_eq!(settled(PEER, "own.example", lines).unwrap().0.scheme, scheme, "{lines:?}");
            let (from_others, left) = settled("192.0.2.1:5000", "own.example", lines).unwrap();
            assert_eq!((from_others.scheme, left), (Scheme::Http, vec![]), "{lines:?}");
        }
    }
}

#[test]
fn nothing_contradicts_what_is_settled() {
    assert_eq!(
        left_of(&[("x-forwarded-proto", "http"), ("front-end-https", "on")]),
        ["x-forwarded-proto: http"]
    );
    assert_eq!(
        left_of(&[("x-forwarded-proto", "HTTPS , http"), ("front-end-https", "on"), ("x-scheme", "junk")]),
        ["x-forwarded-proto: https", "front-end-https: on"]
    );
    assert_eq!(
        left_of(&[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")]),
        ["x-forwarded-proto: https"]
    );
    assert_eq!(
        left_of(&[("x-forwarded-host", "a.example, b"), ("x-forwarded-port", "8443,80")]),
        ["x-forwarded-host: a.example:8443", "x-forwarded-port: 8443"]
    );
    assert_eq!(left_of(&[("x-forwarded-host", ""), ("x-forwarded-port", "junk")]), [""; 0]);
    assert_eq!(left_of(&[("x-forwarded-host", "guarded.example")]), [""; 0]);
    assert_eq!(left_of(&[("x-original-url", "/admin"), ("proxy", "x")]), [""; 0]);
}

#[test]
fn the_host_is_what_the_client_named_to_the_outermost_proxy() {
    // Host, X-Forwarded-Host, X-Forwarded-Port; authority and port.
    let cases: &[(&str, &str, &str, &str, u16)] = &[
        ("own.example", "", "", "own.example", 8080),
        ("own.example:81", "", "", "own.example:81", 8080),
        ("own.example", "a.example", "", "a.example", 8080),
        ("own.example:81", "a.example", "", "a.example", 8080),
        ("own.example", "a.example , b.example", "", "a.example", 8080),
        ("own.example", "[::1]:7", "", "[::1]:7", 8080),
        ("own.example", "a.example:", "443", "a.example", 443),
        ("own.example", "a.example", "8443", "a.example:8443", 8443),
        ("own.example", "a.example:9", "8443", "a.example:9", 8443),
        ("own.example", "", "8443", "own.example:8443", 8443),
        ("own.example:81", "", "8443", "own.example:81", 8443),
        ("own.example", "", "0", "own.example", 8080),
        ("", "", "8443", "", 8443),
        ("", "a.example", "", "a.example", 8080),
        // What may not be told counts as not told.
        ("own.example", "guarded.example", "", "own.example", 8080),
        ("own.example", "guarded.example", "8443", "own.example:8443", 8443),
    ];
    for (host, forwarded, port, authority, told) in cases {
        let fields = [("x-forwarded-host", *forwarded), ("x-forwarded-port", *port)];
        let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let (origin, _) = settled(PEER, host, &fields).unwrap();
        assert_eq!((origin.authority.as_str(), origin.port), (*authority, *told), "{host} {fields:?}");
        let (origin, left) = settled("192.0.2.1:5000", host, &fields).unwrap();
        assert_eq!(
            (origin.authority.as_str(), origin.port, left),
            (*host, 8080, vec![]),
            "{host} {fields:?}"
        );
    }
    for bad in ["a b", "a/b", "u@a", "a,b@c:x", "a:x"] {
        let refused = settled(PEER, "own.example", &[("x-forwarded-host", bad)]);
        assert_eq!(refused.is_err(), bad != "a,b@c:x", "{bad}");
    }
}
