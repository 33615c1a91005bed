//! `resolver`: the name servers of a pool whose servers are looked up again and again.

use std::net::{IpAddr, SocketAddr};

use nginx_conf::{Directive, values};

use crate::limits::time;
use crate::settings::Table;
use crate::translate::Translator;

/// Sets the name servers of a pool, where all are named by address.
pub(crate) fn translate(translator: &mut Translator<'_>, resolver: &Directive, table: &mut Table) {
    let mut servers = Vec::new();
    let mut valid = None;
    for text in resolver.texts() {
        match text.split_once('=') {
            Some(("ipv6", "off")) => table.set("resolve_to", "ipv4", ""),
            Some(("ipv4", "off")) => table.set("resolve_to", "ipv6", ""),
            Some(("valid", period)) => valid = values::milliseconds(period).filter(|period| *period > 0),
            Some(_) => {}
            None => match address(text) {
                Some(address) => servers.push(address.to_string()),
                None => return,
            },
        }
    }
    let origin = translator.ledger.origin(resolver);
    table.from("nameservers", servers, &origin);
    if let Some(period) = valid {
        table.from("resolve_every", time(period), &origin);
    }
    translator.ledger.done(resolver);
}

/// `127.0.0.11`, `[::1]:5353`.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let alone = bare.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53));
    text.parse().ok().or(alone)
}
