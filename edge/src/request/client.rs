//! Who sends a request, and with which protocol.

use std::net::IpAddr;

use http::Version;

/// The client's address, with trusted proxies resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub address: IpAddr,
    /// 0 if a trusted proxy names the client, because it does not name ports.
    pub port: u16,
}

/// The protocol's name as CGI and logs write it.
pub(crate) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
