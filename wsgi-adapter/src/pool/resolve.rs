//! A server with `resolve`: its name is looked up again and again, and each address is a server. What was found last stays while
//! nothing is found.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Weak;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::Pool;
use super::member::ServerId;
use crate::address::{Address, Endpoint};

/// Addresses of one name; further ones are not used.
const MOST: usize = 64;
/// A lookup that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Goes on until the server is not listed any more, or the pool is gone.
pub(super) async fn keep(pool: Weak<Pool>, listed: ServerId, address: Address) {
    let Endpoint::Tcp { host, port } = address.endpoint() else { return };
    let (mut known, mut looked_up) = (BTreeSet::new(), false);
    let mut failing = false;
    loop {
        let found = timeout(PATIENCE, lookup_host((host.as_str(), *port))).await;
        let Some(pool) = pool.upgrade() else { return };
        let name = &pool.config.name;
        let found: Result<BTreeSet<IpAddr>, String> = match found {
            Ok(Ok(addresses)) => Ok(addresses.map(|address| address.ip()).take(MOST).collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let listed_still = match found {
            Ok(found) if !found.is_empty() => {
                if found != known {
                    info!(pool = name, host, ?found, "looked up");
                }
                known = found;
                failing = false;
                pool.resolved(listed, Some(&known.iter().copied().collect::<Vec<_>>()))
            }
            nothing => {
                let why = nothing.err().unwrap_or_else(|| "it has no address".to_owned());
                if !std::mem::replace(&mut failing, true) {
                    warn!(
                        pool = name,
                        host,
                        ?known,
                        "cannot be looked up, what was found before stays: {why}"
                    );
                }
                pool.resolved(listed, None)
            }
        };
        if !std::mem::replace(&mut looked_up, true) {
            pool.looked_up();
        }
        if !listed_still {
            return;
        }
        let pause = pool.config.resolve_every.0;
        drop(pool);
        sleep(pause).await;
    }
}
