//! What a request says about its client and about the URL that this client asked for: believed from trusted
//! proxies only, removed from all others.

pub(crate) mod fuzzed;

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use http_cache::fields;
use http1::head::{Authority, Refusal};
use ipnet::IpNet;

use crate::request::Request;
use crate::request::client::Client;
use crate::request::via::Via;
use crate::settings::{ForwardingRules, HostRule, RealIpHeader, TrustedProxies};
use http1::head::Scheme;

/// Whether this peer is believed about its client.
pub(crate) fn trusts(trusted: &[IpNet], peer: SocketAddr) -> bool {
    let address = peer.ip().to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// Fields that say whether a client used TLS to the outermost proxy. The first one with a value counts:
/// CloudFront's own field comes before those that the balancers behind it set.
const SCHEME_FIELDS: [&str; 9] = [
    "cloudfront-forwarded-proto",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-scheme",
    "x-url-scheme",
    "x-forwarded-ssl",
    "fastly-ssl",
    "front-end-https",
];

/// Whether a field of this name, in lower case, is one of these.
pub(crate) fn names_scheme(name: &[u8]) -> bool {
    SCHEME_FIELDS.iter().any(|known| known.as_bytes() == name)
}

const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_FORWARDED_PORT: &str = "x-forwarded-port";

/// Fields in which a proxy describes the client, or with which a client could steer an application behind
/// one.
pub(crate) fn is_forwarding(name: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "forwarded",
        "x-forwarded-for",
        X_FORWARDED_HOST,
        "x-forwarded-server",
        X_FORWARDED_PORT,
        "x-forwarded-prefix",
        "x-real-ip",
    ];
    // Most fields end the search here.
    matches!(name.as_bytes().first(), Some(b'c' | b'C' | b'f' | b'F' | b'x' | b'X'))
        && SCHEME_FIELDS.iter().chain(&OTHERS).any(|known| known.eq_ignore_ascii_case(name))
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
            | "weir-holes"
            | "weir-admin"
            | "proxy"
    )
}

/// Whether a field of this name, in any case, may have to be removed or believed.
pub(crate) fn steers(name: &str) -> bool {
    is_forwarding(name) || is_rewriting(&name.to_ascii_lowercase())
}

/// What the client asked the outermost proxy for, if trusted proxies say so; otherwise what it asked the edge
/// for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) client: Client,
    pub(crate) scheme: Scheme,
    /// The host, and the port if one was named.
    pub(crate) authority: String,
    pub(crate) port: u16,
    /// What somebody who is not trusted has said of it.
    pub(crate) claims: HeaderMap,
}

/// Decides who asks for what. Afterwards `headers` hold no such field that cannot be believed, and none that
/// contradicts the decision: application, cache key and choice of site use the same scheme and host.
pub(crate) fn settle(
    headers: &mut HeaderMap,
    via: &Via,
    host: Option<Authority<'_>>,
    ForwardingRules { trusted, hosts, keeps_claims }: ForwardingRules<'_>,
) -> Result<Origin, Refusal> {
    fields::remove(headers, is_rewriting);
    let mut origin = Origin {
        client: Client { address: via.peer.ip().to_canonical(), port: via.peer.port() },
        scheme: via.scheme,
        authority: host.map_or("", |host| host.as_str()).to_owned(),
        port: via.port,
        claims: HeaderMap::new(),
    };
    if !trusts(trusted.proxies, via.peer) {
        let is_claim = |name: &str| is_forwarding(name) || trusted.is_field(name);
        if keeps_claims {
            let claims = headers.iter().filter(|(name, _)| is_claim(name.as_str()));
            for (name, value) in claims {
                origin.claims.append(name, value.clone());
            }
        }
        fields::remove(headers, is_claim);
        return Ok(origin);
    }
    if let Some(address) = real_ip(headers, trusted) {
        origin.client = Client { address, port: 0 };
    }
    if let Some(scheme) = SCHEME_FIELDS.iter().find_map(|name| scheme(first(headers, name)?)) {
        origin.scheme = scheme;
        agree(headers, scheme);
    }
    settle_host(headers, host, hosts, &mut origin)?;
    Ok(origin)
}

/// Removes the fields that name another scheme than this one, and leaves one value in each of the others.
fn agree(headers: &mut HeaderMap, settled: Scheme) {
    for name in SCHEME_FIELDS {
        let Some(value) = first(headers, name) else { continue };
        if scheme(value) != Some(settled) {
            headers.remove(name);
            continue;
        }
        let plain = value.trim().eq_ignore_ascii_case(settled.as_str());
        let value = if plain { settled.as_str() } else { value };
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

/// Host and port that the client named to the outermost proxy.
fn settle_host(
    headers: &mut HeaderMap,
    host: Option<Authority<'_>>,
    hosts: HostRule<'_>,
    origin: &mut Origin,
) -> Result<(), Refusal> {
    let told = match first(headers, X_FORWARDED_HOST).filter(|told| !told.is_empty()) {
        Some(told) => Some(Authority::read(told.as_bytes())?.as_str().to_owned()),
        None => None,
    };
    let told = told.filter(|told| hosts(&origin.authority, told));
    let has_port = match &told {
        Some(told) => Authority::read(told.as_bytes())?.port().is_some(),
        None => host.is_some_and(|host| host.port().is_some()),
    };
    let port = first(headers, X_FORWARDED_PORT).and_then(|port| port.parse().ok()).filter(|port| *port > 0);
    let is_told = told.is_some();
    if let Some(told) = told {
        origin.authority = told;
    }
    if let Some(port) = port {
        origin.port = port;
        // The port of a URL whose host a proxy has passed on without it.
        if !has_port && !origin.authority.is_empty() && !DEFAULT_PORTS.contains(&port) {
            origin.authority.push_str(&format!(":{port}"));
        }
        headers.insert(X_FORWARDED_PORT, HeaderValue::from(port));
    } else {
        headers.remove(X_FORWARDED_PORT);
    }
    match HeaderValue::from_str(&origin.authority) {
        Ok(value) if is_told => drop(headers.insert(X_FORWARDED_HOST, value)),
        _ => drop(headers.remove(X_FORWARDED_HOST)),
    }
    Ok(())
}

/// Ports that a URL need not name.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// The first element of the field's last line. A proxy that adds a line of its own leaves the client's before
/// it, and one that adds to a list leaves what the outermost proxy said at its front.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?;
    line.to_str().ok()?.split(',').next().map(str::trim)
}

/// The scheme that a value of one of [`SCHEME_FIELDS`] names.
fn scheme(value: &str) -> Option<Scheme> {
    const TLS: [&str; 5] = ["https", "wss", "on", "1", "true"];
    const PLAIN: [&str; 5] = ["http", "ws", "off", "0", "false"];
    let is = |word: &&str| value.eq_ignore_ascii_case(word);
    match (TLS.iter().any(is), PLAIN.iter().any(is)) {
        (true, _) => Some(Scheme::Https),
        (_, true) => Some(Scheme::Http),
        _ => None,
    }
}

impl TrustedProxies<'_> {
    /// Whether a field that is none of the usual ones names the client.
    pub(crate) fn names_own_field(&self) -> bool {
        matches!(self.field, RealIpHeader::Field(_))
    }

    /// Whether it is the field that names the client, if that is none of the usual ones.
    pub(crate) fn is_field(&self, name: &str) -> bool {
        matches!(self.field, RealIpHeader::Field(field) if field.as_str().eq_ignore_ascii_case(name))
    }
}

/// Whether the client is known by what a proxy says.
pub(crate) fn names_client(request: &Request) -> bool {
    request.arrival.peer.is_some_and(|peer| peer.ip().to_canonical() != request.client.address)
}

/// Who the client is by other proxies, or by another field, than the usual ones. `None`: nobody knows who has
/// sent the request.
pub(crate) fn client_by(request: &Request, trusted: TrustedProxies<'_>) -> Option<Client> {
    let peer = request.arrival.peer?;
    let sender = Client { address: peer.ip().to_canonical(), port: peer.port() };
    if !trusts(trusted.proxies, peer) {
        return Some(sender);
    }
    if *trusted.field == RealIpHeader::ProxyProtocol {
        let proxied = request.arrival.proxied.as_deref();
        let source = proxied.map(|proxied| proxied.source);
        return Some(
            source
                .map_or(sender, |source| Client { address: source.ip().to_canonical(), port: source.port() }),
        );
    }
    let named = real_ip(&request.headers, trusted);
    Some(named.map_or(sender, |address| Client { address, port: 0 }))
}

/// The right-most address that is not a trusted proxy: addresses to the left of it cannot be verified.
fn real_ip(
    headers: &HeaderMap,
    TrustedProxies { proxies: trusted, field, recursive }: TrustedProxies<'_>,
) -> Option<IpAddr> {
    let name = match field {
        RealIpHeader::XForwardedFor => "x-forwarded-for",
        RealIpHeader::Forwarded => "forwarded",
        RealIpHeader::Field(name) => name.as_str(),
        RealIpHeader::ProxyProtocol => return None,
    };
    let lines = headers.get_all(name).iter();
    // RFC 9110 section 5.6.1.2: a recipient "MUST parse and ignore a reasonable number of empty list
    // elements".
    let chain: Vec<&str> = lines
        .flat_map(|line| line.to_str().unwrap_or("unreadable").split(','))
        .map(str::trim)
        .filter(|hop| !hop.is_empty())
        .collect();
    let mut client = None;
    for hop in chain.iter().rev() {
        let hop = if *field == RealIpHeader::Forwarded { forwarded_for(hop) } else { Some(*hop) };
        let Some(address) = hop.and_then(address) else { break };
        client = Some(address);
        if !recursive || !trusted.iter().any(|net| net.contains(&address)) {
            break;
        }
    }
    client
}

/// The node that `for` names in one element of Forwarded (RFC 7239 section 4).
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    Some(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

/// An address with or without port, IPv6 with or without brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(hop, |(inside, _)| inside);
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests;
