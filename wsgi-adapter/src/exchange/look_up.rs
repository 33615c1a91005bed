//! The addresses of servers' names. What was found last stays in use while a name server is away or slow, and
//! nobody asks for a name that somebody asks for already: a look-up blocks one of the system's threads, and
//! may do so for much longer than a request can wait.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use process::repeated::RepeatCounter;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::error::ServerError;

/// How long a request waits for a look-up if there is an address to go to already.
const PATIENCE: Duration = Duration::from_millis(500);
/// Names remembered.
const MOST: usize = 256;

type Addresses = Arc<[IpAddr]>;
type LookUpOutcome = Result<Addresses, (io::ErrorKind, String)>;

/// The names of a pool's servers.
#[derive(Debug, Default)]
pub(crate) struct HostAddresses {
    names: Arc<Mutex<HashMap<String, KnownName>>>,
    failures: RepeatCounter,
}

#[derive(Debug, Default)]
struct KnownName {
    /// What was found last; empty: nothing yet.
    addresses: Addresses,
    /// The look-up before failed or was slow: nobody waits for the next.
    is_ailing: bool,
    under_way: Option<LookUp>,
}

#[derive(Clone, Debug)]
struct LookUp {
    begun: Instant,
    found: Shared<BoxFuture<'static, LookUpOutcome>>,
}

impl HostAddresses {
    /// The addresses of this host, until `until` at the latest.
    pub(crate) async fn find(&self, host: &str, until: Instant) -> Result<Addresses, ServerError> {
        let system = |host: String| async move {
            let found = lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        };
        self.find_by(system, host, until).await
    }

    async fn find_by<L>(
        &self,
        look_up: impl FnOnce(String) -> L + Send + 'static,
        host: &str,
        until: Instant,
    ) -> Result<Addresses, ServerError>
    where
        L: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        if let Ok(address) = host.parse() {
            return Ok(Arc::new([address]));
        }
        let (known, is_ailing, LookUp { begun, found }) = self.look_up(look_up, host);
        let patience = match known.is_empty() {
            true => until,
            false if is_ailing => begun,
            false => until.min(begun + PATIENCE),
        };
        let why = match timeout_at(patience, found).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err((kind, text))) if known.is_empty() => {
                return Err(ServerError::Lookup(io::Error::new(kind, text)));
            }
            Err(_) if known.is_empty() => return Err(ServerError::ConnectTimeout),
            Ok(Err((_, text))) => text,
            Err(_) => "no answer in time".to_owned(),
        };
        if let Some(more) = self.failures.happened(host) {
            warn!(host, ?known, more, "cannot be looked up, what was found before stays: {why}");
        }
        Ok(known)
    }

    /// What is known of a host, and the look-up that is under way: a new one, if there is none.
    fn look_up<L>(
        &self,
        look_up: impl FnOnce(String) -> L + Send + 'static,
        host: &str,
    ) -> (Addresses, bool, LookUp)
    where
        L: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        let mut names = self.names.lock();
        if names.len() >= MOST && !names.contains_key(host) {
            names.clear();
        }
        let known = names.entry(host.to_owned()).or_default();
        let under_way = known.under_way.get_or_insert_with(|| {
            let looking = looked_up(self.names.clone(), look_up(host.to_owned()), host.to_owned());
            // It goes on if all who wait for it have left.
            let task = tokio::spawn(looking);
            let found =
                async move { task.await.unwrap_or_else(|error| Err(failure(&io::Error::other(error)))) };
            LookUp { begun: Instant::now(), found: found.boxed().shared() }
        });
        (known.addresses.clone(), known.is_ailing, under_way.clone())
    }
}

async fn looked_up(
    names: Arc<Mutex<HashMap<String, KnownName>>>,
    look_up: impl Future<Output = io::Result<Vec<IpAddr>>>,
    host: String,
) -> LookUpOutcome {
    let begun = Instant::now();
    let found = match look_up.await {
        Ok(found) if found.is_empty() => Err((io::ErrorKind::NotFound, "the name has no address".to_owned())),
        Ok(found) => Ok(Addresses::from(found)),
        Err(error) => Err(failure(&error)),
    };
    let mut names = names.lock();
    let known = names.entry(host).or_default();
    known.under_way = None;
    known.is_ailing = found.is_err() || begun.elapsed() > PATIENCE;
    if let Ok(found) = &found {
        known.addresses.clone_from(found);
    }
    found
}

fn failure(error: &io::Error) -> (io::ErrorKind, String) {
    (error.kind(), error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::time::sleep;

    use super::*;

    /// What a name server says, and after how many milliseconds.
    type Answer = (u64, Result<&'static str, ()>);

    async fn ask(hosts: &HostAddresses, (after, answer): Answer, asked: &Arc<AtomicUsize>) -> String {
        let asked = asked.clone();
        let look_up = move |_| async move {
            asked.fetch_add(1, Relaxed);
            sleep(Duration::from_millis(after)).await;
            answer.map(|ip| vec![ip.parse().unwrap()]).map_err(|()| io::Error::other("SERVFAIL"))
        };
        match hosts.find_by(look_up, "app.test", Instant::now() + Duration::from_secs(5)).await {
            Ok(found) => found[0].to_string(),
            Err(ServerError::ConnectTimeout) => "timeout".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_stays_while_nobody_answers() {
        let (hosts, asked) = (HostAddresses::default(), Arc::default());
        let never = 60_000;
        // The answer, what the request gets, and after how many milliseconds.
        let table: &[(Answer, &str, u64)] = &[
            ((10, Err(())), "its name cannot be looked up: SERVFAIL", 10),
            ((10, Ok("192.0.2.1")), "192.0.2.1", 10),
            ((20, Err(())), "192.0.2.1", 20),
            ((20, Ok("192.0.2.2")), "192.0.2.1", 0),
            ((10, Ok("192.0.2.3")), "192.0.2.3", 10),
            ((never, Ok("192.0.2.4")), "192.0.2.3", 500),
            ((0, Ok("not asked")), "192.0.2.3", 0),
        ];
        for (answer, expected, after) in table {
            let begun = Instant::now();
            assert_eq!(ask(&hosts, *answer, &asked).await, *expected, "{answer:?}");
            assert!(
                begun.elapsed().as_millis().abs_diff(u128::from(*after)) < 5,
                "{answer:?}: {:?}",
                begun.elapsed()
            );
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(asked.load(Relaxed), table.len() - 1);
        sleep(Duration::from_millis(never)).await;
        assert_eq!(ask(&hosts, (10, Ok("192.0.2.5")), &asked).await, "192.0.2.4", "nobody waits after that");
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all() {
        let (hosts, asked) = (HostAddresses::default(), Arc::default());
        let all = (0..100).map(|_| ask(&hosts, (9_000, Ok("192.0.2.1")), &asked));
        let found = futures_util::future::join_all(all).await;
        assert!(found.iter().all(|found| found == "timeout"), "{found:?}");
        assert_eq!(asked.load(Relaxed), 1);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(ask(&hosts, (60_000, Err(())), &asked).await, "192.0.2.1", "that look-up went on");
    }
}
