//! Who sends a request, and with which protocol.

use std::net::IpAddr;

use http::Version;
use process::client_key::ClientKey;

use crate::connection::unix_client::{UNIX, named};

/// The client's address, with trusted proxies resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub address: IpAddr,
    /// 0 if a trusted proxy names the client, because it does not name ports.
    pub port: u16,
}

impl Client {
    /// Whether the address is one: a client that came by a unix socket has none.
    pub(crate) fn is_named_by_address(&self) -> bool {
        self.address != UNIX
    }

    /// Whose part of the application it takes, as text.
    pub(crate) fn share_name(&self) -> String {
        if self.is_named_by_address() {
            ClientKey::from(self.address).to_string()
        } else {
            self.address_text()
        }
    }

    /// The address as text.
    pub(crate) fn address_text(&self) -> String {
        let IpAddr::V4(address) = self.address else { return named(self.address) };
        // Each request that is not cached needs it, and `fmt` takes ten times as long.
        let mut text = String::with_capacity("255.255.255.255".len());
        let mut digits = itoa::Buffer::new();
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                text.push('.');
            }
            text.push_str(digits.format(octet));
        }
        text
    }
}

/// The protocol's name as CGI and logs write it.
pub(crate) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_library_does() {
        assert_eq!(Client { address: UNIX, port: 0 }.address_text(), "unix:");
        for text in ["0.0.0.0", "1.20.255.9", "255.255.255.255", "::1", "2001:db8::7", "::ffff:1.2.3.4"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Client { address, port: 0 }.address_text(), address.to_string());
        }
    }
}
