//! Clients that come by a unix socket: they have no address, and nginx calls it `unix:`.

use std::net::{IpAddr, Ipv6Addr};

/// Stands for their address. No client of a network has it.
pub(crate) const UNIX: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// The word for it, in settings and in variables.
pub(crate) const UNIX_NAME: &str = "unix:";

/// An address as variables, logs and applications have it.
pub(crate) fn named(address: IpAddr) -> String {
    if address == UNIX { UNIX_NAME.to_owned() } else { address.to_string() }
}
