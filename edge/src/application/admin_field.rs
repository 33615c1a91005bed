//! What the edge tells an application of itself in each request: where changes purge the pages that it keeps,
//! what it is called in the answer to a purge, and a proof that it has the token of that place. An
//! application that has read the token too can believe it; nobody can make it send the token elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::hmac;
use weir_proto::origin::Field;

/// Taken out of what clients send: see `request::forwarded`.
pub(crate) const NAME: &[u8] = b"weir-admin";
/// What is signed begins with it: the token signs nothing else that looks so.
const PURPOSE: &str = "weir-admin";

/// The field in force, if this edge keeps pages at all.
#[derive(Debug, Default)]
pub(crate) struct AdminField(ArcSwapOption<Bytes>);

impl AdminField {
    pub(crate) fn set(&self, value: Option<String>) {
        self.0.store(value.map(|value| Bytes::from(value).into()));
    }

    pub(super) fn value(&self) -> Option<Bytes> {
        self.0.load().as_deref().cloned()
    }

    pub(super) fn field(&self) -> Option<Field> {
        Some(Field { name: Bytes::from_static(NAME), value: self.value()? })
    }
}

/// Its value, for an admin listener at this address as it stands in the settings, and an edge of this name.
pub(crate) fn field(admin: &str, name: &str, token: Option<&[u8]>) -> String {
    let edge = quoted(name).map(|name| format!(";edge={name}")).unwrap_or_default();
    let address = reachable(admin);
    let Some(place) = quoted(&address).filter(|_| admin != "off") else { return format!("off{edge}") };
    let proof = token.map(|token| {
        let signed = format!("{PURPOSE}\0{address}\0{name}");
        let proof = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token), signed.as_bytes());
        format!(";proof=:{}:", STANDARD.encode(proof))
    });
    format!("{place}{edge}{}", proof.unwrap_or_default())
}

/// As a string of a structured field (RFC 9651 section 3.3.3). `None`: it has other characters.
fn quoted(text: &str) -> Option<String> {
    let is_plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    is_plain.then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A listener on all addresses is reached at the one by which this machine reaches others.
fn reachable(admin: &str) -> String {
    match admin.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => {
            SocketAddr::new(own_address(address.is_ipv4()), address.port()).to_string()
        }
        _ => admin.to_owned(),
    }
}

/// Nothing is sent: the system says from which address it would be.
fn own_address(is_v4: bool) -> IpAddr {
    let (any, far, own): (_, _, IpAddr) = match is_v4 {
        true => ("0.0.0.0:0", "198.51.100.1:9", Ipv4Addr::LOCALHOST.into()),
        false => ("[::]:0", "[2001:db8::1]:9", Ipv6Addr::LOCALHOST.into()),
    };
    let found = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    found.map(|address| address.ip()).ok().filter(|ip| !ip.is_unspecified()).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_field_says() {
        assert_eq!(field("off", "one", Some(b"token")), r#"off;edge="one""#);
        assert_eq!(field("127.0.0.1:9900", "a \"b\\", None), r#""127.0.0.1:9900";edge="a \"b\\""#);
        assert_eq!(field("edge.internal:9900", "caf\u{e9}", None), r#""edge.internal:9900""#);
        // As Python's hmac makes it.
        assert_eq!(
            field("127.0.0.1:9900", "one", Some(b"token")),
            "\"127.0.0.1:9900\";edge=\"one\";proof=:5tH0Qxl5HtWfhKe933eeciuQ/D5UrMp1DIuYl8rxBSM=:"
        );
    }

    #[test]
    fn a_listener_on_all_addresses_is_named_by_one() {
        for all in ["0.0.0.0:9900", "[::]:9900"] {
            let address: SocketAddr = reachable(all).parse().unwrap();
            assert!(!address.ip().is_unspecified() && address.port() == 9900, "{address}");
        }
        assert_eq!(reachable("10.0.0.5:9900"), "10.0.0.5:9900");
    }
}
