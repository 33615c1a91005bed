//! What other nodes tell by Redis pub/sub: that a key's lease has ended. Whoever waits for one looks again at
//! once.
//!
//! News may be lost (Redis keeps none), so whoever waits also looks again by itself now and then.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::RedisResult;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::address::Address;
use super::fault::late;
use super::key_hash;
use super::ping::PING_EVERY;
use super::servers::Servers;
use crate::slot::Slot;

/// Keys share these by their hash: a few too many look again, and no table grows.
const SHARED: usize = 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Wakes the requests that wait for what another node does.
pub(crate) struct Wakeups {
    leases: Vec<Notify>,
    purged: Notify,
    acknowledged: Notify,
}

/// One message: its kind, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The lease on a key has ended. The key is told by its hash, as in the records' names.
    LeaseEnded(u128),
    /// A purge was written to the log.
    Purged,
    /// A node has acknowledged more of the log.
    Acknowledged,
}

/// One channel for all keys of a prefix.
pub(crate) struct Channel {
    servers: Arc<Servers>,
    name: String,
    timeout: Duration,
}

/// A connection on which news is heard.
struct Subscription {
    sink: PubSubSink,
    news: PubSubStream,
    /// Whose it is, where there are Sentinels.
    master: Option<Address>,
}

impl Wakeups {
    pub(crate) fn new() -> Self {
        let leases = (0..SHARED).map(|_| Notify::new()).collect();
        Self { leases, purged: Notify::new(), acknowledged: Notify::new() }
    }

    /// Resolves at the next news of the slot's key. Hears all from the moment of the call, polled or not.
    pub(crate) fn heard<'a>(&'a self, slot: &Slot) -> Notified<'a> {
        self.of_key(key_hash(slot)).notified()
    }

    fn wake(&self, key: u128) {
        self.of_key(key).notify_waiters();
    }

    /// Resolves when there is something to read in the purge log. For one who follows it: news while it is
    /// away is kept.
    pub(crate) fn purged(&self) -> Notified<'_> {
        self.purged.notified()
    }

    /// Resolves when a node has acknowledged more of the purge log.
    pub(crate) fn acknowledged(&self) -> Notified<'_> {
        self.acknowledged.notified()
    }

    fn wake_all(&self) {
        self.leases.iter().for_each(Notify::notify_waiters);
        self.purged.notify_one();
        self.acknowledged.notify_waiters();
    }

    fn of_key(&self, key: u128) -> &Notify {
        &self.leases[(key % SHARED as u128) as usize]
    }
}

impl News {
    /// `None`: of a kind that this version does not know.
    fn read(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        match text.split_once(' ').unwrap_or((text, "")) {
            ("purged", "") => Some(Self::Purged),
            ("acknowledged", "") => Some(Self::Acknowledged),
            ("lease", key) => Some(Self::LeaseEnded(u128::from_str_radix(key, 16).ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaseEnded(key) => write!(f, "lease {key:032x}"),
            Self::Purged => f.write_str("purged"),
            Self::Acknowledged => f.write_str("acknowledged"),
        }
    }
}

impl Channel {
    pub(crate) fn new(servers: Arc<Servers>, prefix: &str, timeout: Duration) -> Self {
        Self { servers, name: format!("{prefix}:news"), timeout }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Hears the news for ever; connects again whenever the connection is lost.
    pub(crate) async fn listen(&self, wakeups: &Wakeups) {
        tokio::join!(self.listen_to_news(wakeups), self.servers.listen());
    }

    async fn listen_to_news(&self, wakeups: &Wakeups) {
        let (mut pause, mut told) = (FIRST_PAUSE, false);
        for attempt in 0.. {
            match timeout(self.timeout, self.subscribe(attempt)).await.unwrap_or_else(|_| Err(late())) {
                Ok(subscription) => {
                    (pause, told) = (FIRST_PAUSE, false);
                    // News from before may have been missed.
                    wakeups.wake_all();
                    self.hear(wakeups, subscription).await;
                }
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "no news from Redis: a node that waits for another looks again by itself");
                }
                Err(_) => {}
            }
            sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn subscribe(&self, attempt: usize) -> RedisResult<Subscription> {
        let (server, master) = self.servers.news_from(attempt).await?;
        let (mut sink, news) = server.get_async_pubsub().await?.split();
        sink.subscribe(&self.name).await?;
        Ok(Subscription { sink, news, master })
    }

    /// Until the connection ends, or does not answer, or leads to one who is no longer master.
    async fn hear(&self, wakeups: &Wakeups, subscription: Subscription) {
        let Subscription { mut sink, mut news, master } = subscription;
        let mut ping_at = Instant::now() + PING_EVERY;
        let mut replaced = pin!(self.servers.replaced(master.as_ref()));
        loop {
            tokio::select! {
                () = &mut replaced => return,
                told = news.next() => match told {
                    Some(message) => match News::read(message.get_payload_bytes()) {
                        Some(News::LeaseEnded(key)) => wakeups.wake(key),
                        Some(News::Purged) => wakeups.purged.notify_one(),
                        Some(News::Acknowledged) => wakeups.acknowledged.notify_waiters(),
                        None => {}
                    },
                    None => return,
                },
                () = sleep_until(ping_at) => {
                    match timeout(self.timeout, sink.ping::<redis::Value>()).await {
                        Ok(Ok(_)) => ping_at = Instant::now() + PING_EVERY,
                        _ => return,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;
    use http::HeaderMap;

    use super::*;
    use crate::slot::Rule;

    #[test]
    fn news_is_read_as_it_is_told() {
        for news in [News::LeaseEnded(0), News::LeaseEnded(u128::MAX), News::Purged, News::Acknowledged] {
            assert_eq!(News::read(news.to_string().as_bytes()), Some(news));
        }
        for unknown in ["", "lease", "lease x", "0123", "weather fine", "lease 1 2", &"f".repeat(99)] {
            assert_eq!(News::read(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    fn hears_all_from_the_moment_of_the_call() {
        let slot = |key| Slot::new(Bytes::from_static(key), Rule::default(), &HeaderMap::new());
        let wakeups = Wakeups::new();
        wakeups.wake(key_hash(&slot(b"a")));
        let (a, b) = (wakeups.heard(&slot(b"a")), wakeups.heard(&slot(b"b")));
        let (mut a, mut b) = (Box::pin(a), Box::pin(b));
        assert!((&mut a).now_or_never().is_none(), "what was rung before is not heard");
        wakeups.wake(key_hash(&slot(b"a")));
        assert!(a.now_or_never().is_some());
        assert!((&mut b).now_or_never().is_none());
        wakeups.wake_all();
        assert!(b.now_or_never().is_some());
    }
}
