//! What a listed name stands for: each address that it has in DNS (A, AAAA), or the servers that its SRV
//! records name.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use tokio::net::lookup_host;

use crate::address::Endpoint;

/// Servers of one name; further ones are not used.
const MOST: usize = 64;
/// The largest weight that is made of those of SRV records, which go up to 65,535.
const HEAVIEST: u32 = 100;

/// A server that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamedServer {
    pub(super) address: SocketAddr,
    /// Among those found.
    pub(super) weight: u32,
    pub(super) backup: bool,
}

/// Never empty. `nameservers`: those to ask, or else what the system asks.
pub(super) async fn find(
    endpoint: &Endpoint,
    nameservers: &[SocketAddr],
) -> Result<Vec<NamedServer>, String> {
    let found = match endpoint {
        Endpoint::Tcp { host, port } => {
            let addresses = addresses(host, nameservers).await?.into_iter();
            addresses
                .map(|ip| NamedServer { address: SocketAddr::new(ip, *port), weight: 1, backup: false })
                .collect()
        }
        Endpoint::Srv(name) => services(name, nameservers).await?,
        Endpoint::Unix(_) => Vec::new(),
    };
    if found.is_empty() { Err("it has no address".to_owned()) } else { Ok(found) }
}

async fn addresses(host: &str, nameservers: &[SocketAddr]) -> Result<BTreeSet<IpAddr>, String> {
    if nameservers.is_empty() {
        let found = lookup_host((host, 0)).await.map_err(|error| error.to_string())?;
        return Ok(found.map(|address| address.ip()).take(MOST).collect());
    }
    let found = resolver(nameservers).map_err(text)?.lookup_ip(host).await.map_err(text)?;
    Ok(found.iter().take(MOST).collect())
}

/// As nginx takes them: those of the lowest priority are the servers, all others their backups.
async fn services(name: &str, nameservers: &[SocketAddr]) -> Result<Vec<NamedServer>, String> {
    let answer = resolver(nameservers).map_err(text)?.srv_lookup(name).await.map_err(text)?;
    let records = answer.answers().iter().filter_map(|record| match &record.data {
        // RFC 2782: "A Target of "." means that the service is decidedly not available at this domain."
        RData::SRV(record) if !record.target.is_root() => Some(record),
        _ => None,
    });
    let mut records: Vec<&SRV> = records.take(MOST).collect();
    records.sort_by_key(|record| (record.priority, record.port, &record.target));
    let first = records.first().map(|record| record.priority);
    let weights: Vec<u32> =
        records.chunk_by(|one, other| one.priority == other.priority).flat_map(weights).collect();
    let targets: Vec<String> = records.iter().map(|record| record.target.to_utf8()).collect();
    let looked_up = join_all(targets.iter().map(|target| addresses(target, nameservers))).await;
    let (mut found, mut fault) = (Vec::<NamedServer>::new(), None);
    for ((record, weight), addresses) in records.into_iter().zip(weights).zip(looked_up) {
        match addresses {
            Ok(addresses) => {
                for ip in addresses {
                    let address = SocketAddr::new(ip, record.port);
                    // Named twice, it is what it was named first.
                    if record.port != 0
                        && found.len() < MOST
                        && found.iter().all(|other| other.address != address)
                    {
                        found.push(NamedServer { address, weight, backup: Some(record.priority) != first });
                    }
                }
            }
            Err(error) => fault = Some(format!("{}: {error}", record.target)),
        }
    }
    match fault {
        Some(fault) if found.is_empty() => Err(fault),
        _ => Ok(found),
    }
}

/// The weights of records of one priority, in their proportions, but small: the points of a `hash` are as
/// many as its weights.
fn weights(records: &[&SRV]) -> Vec<u32> {
    // RFC 2782: a weight of 0 is for when there is nothing to choose, or as little as can be.
    let of = |record: &&SRV| u32::from(record.weight).max(1);
    let most = records.iter().map(of).max().unwrap_or(1);
    let divisor = records.iter().map(of).fold(0, common_divisor).max(1);
    records
        .iter()
        .map(|record| match most / divisor {
            0..=HEAVIEST => of(record) / divisor,
            _ => (of(record) * HEAVIEST / most).max(1),
        })
        .collect()
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Made anew each time, a few times a minute: so it knows the system's nameservers as they are now.
fn resolver(nameservers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if nameservers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = nameservers.iter().map(|address| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            server.connections.iter_mut().for_each(|connection| connection.port = address.port());
            server
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // What was found is kept by the pool.
    options.cache_size = 0;
    builder.build()
}

fn text(error: NetError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;

    #[test]
    fn weights_keep_their_proportions_and_stay_small() {
        let table: &[(&[u16], &[u32])] = &[
            (&[], &[]),
            (&[0, 0], &[1, 1]),
            (&[10, 10, 20], &[1, 1, 2]),
            (&[0, 7], &[1, 7]),
            (&[65_535, 65_535], &[1, 1]),
            (&[65_535, 1, 32_768], &[100, 1, 50]),
        ];
        for (given, expected) in table {
            let records: Vec<SRV> =
                given.iter().map(|weight| SRV::new(0, *weight, 1, Name::root())).collect();
            assert_eq!(weights(&records.iter().collect::<Vec<_>>()), *expected, "{given:?}");
        }
    }
}
