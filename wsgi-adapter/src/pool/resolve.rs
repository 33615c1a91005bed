//! A server with `resolve`, or of SRV records: its name is looked up again and again. What was found last
//! stays while nothing is found.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::member::ServerId;
use super::names::NamedServer;
use super::{Pool, names};
use crate::address::Address;

/// A lookup that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Goes on until the server is not listed any more, or the pool is gone.
pub(super) async fn keep(pool: Weak<Pool>, listed: ServerId, address: Address) {
    let (mut known, mut looked_up) = (Vec::new(), false);
    let mut failing = false;
    loop {
        let Some(nameservers) = pool.upgrade().map(|pool| pool.config.nameservers.clone()) else { return };
        let found = timeout(PATIENCE, names::find(address.endpoint(), &nameservers)).await;
        let Some(pool) = pool.upgrade() else { return };
        let (name, server) = (&pool.config.name, address.as_str());
        let found = found.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let wanted = |mut found: Vec<NamedServer>| {
            found.retain(|found| pool.config.resolve_to.has(found.address.ip()));
            if found.is_empty() { Err("it has no address of this family".to_owned()) } else { Ok(found) }
        };
        let listed_still = match found.and_then(wanted) {
            Ok(found) => {
                if found != known {
                    info!(pool = name, server, ?found, "looked up");
                }
                known = found;
                failing = false;
                pool.resolved(listed, Some(&known))
            }
            Err(why) => {
                if !std::mem::replace(&mut failing, true) {
                    let text = "cannot be looked up, what was found before stays";
                    warn!(pool = name, server, ?known, "{text}: {why}");
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
