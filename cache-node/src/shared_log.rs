//! The log that all nodes share, followed: this node reads it, says what it has acknowledged, and waits for
//! the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use purge::{LogId, LogTail, Position, Purge, REMEMBERED, Seq};
use tokio::time::{sleep, timeout};
use weir_proto::cache::PurgeReply;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::purges::{Purges, UNAWARE};
use crate::store::redis::clock::{Clock, ClockReading};
use crate::store::redis::log::{LogPage, Member, MemberFollower};
use crate::store::redis::news::Wakeups;
use crate::store::redis::{Redis, RedisUnavailable};

/// Beats within one grace.
const BEATS: u32 = 5;
/// How often to check which nodes have been silent for long.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often a purge looks again at those it waits for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// No edge uses pages for longer than this without an echo.
const FOLLOWER_GRACE: Duration = crate::purges::MAX_GRACE;
const FORGET_TIMEOUT: Duration = Duration::from_millis(500);

/// This node's part in the shared log.
pub(crate) struct SharedLog {
    redis: Arc<Redis>,
    purges: Arc<Purges>,
    wakeups: Arc<Wakeups>,
    metrics: Metrics,
    name: String,
    /// How long a purge is kept: longer than any page.
    keep: Duration,
    incarnation: u64,
}

impl SharedLog {
    pub(crate) fn new(
        redis: Arc<Redis>,
        purges: Arc<Purges>,
        wakeups: Arc<Wakeups>,
        metrics: &Metrics,
        config: &Config,
    ) -> Self {
        let (metrics, name, incarnation) = (metrics.clone(), config.name(), rand::random());
        let keep = config.max_lifetime.0 + config.max_lease.0;
        Self { redis, purges, wakeups, metrics, name, keep, incarnation }
    }

    /// Follows the log for ever. What is lost on the way is read again, or everything is forgotten.
    pub(crate) async fn follow(&self) {
        self.take_over().await;
        let (mut beats, mut told) = (0, Seq::START);
        let mut silent = SilentNodes::default();
        let mut clock = Clock::default();
        let mut changes = self.purges.changes();
        loop {
            beats += 1;
            let settled = self.purges.settled();
            let tell = settled > told;
            let read = self.purges.read_to();
            let sent = Instant::now();
            let again = match self
                .redis
                .beat(&self.name, &self.member(beats, read.log, settled), read, tell)
                .await
            {
                Ok(page) => {
                    self.purges.touch();
                    told = settled;
                    let reading = ClockReading { time: page.time, sent, received: Instant::now() };
                    if page.log == read.log && clock.stepped(reading) {
                        // Redis counts the lifetimes of all that it holds by that clock.
                        tracing::warn!("Redis's clock was set: all pages are made again");
                        self.begin_another(read.log).await
                    } else {
                        clock.accept(reading);
                        self.take_in(read, page, sent).await
                    }
                }
                Err(error) => {
                    if self.purges.lose_touch() {
                        tracing::warn!(%error, "out of touch with the purge log: pages are kept for a moment only");
                    }
                    false
                }
            };
            self.metrics.purge_log_live.set(self.purges.is_live().into());
            silent.sweep(&self.redis, sent).await;
            if !again {
                self.pause(sent, told, &mut changes).await;
            }
        }
    }

    /// What this node said of itself before it died: those who followed it then may be cut off since, and are
    /// nobody else's to remember. Until that is known the node is out of touch.
    async fn take_over(&self) {
        let mut members = self.redis.members().await;
        while members.is_err() {
            self.purges.lose_touch();
            sleep(self.purges.grace() / BEATS).await;
            members = self.redis.members().await;
        }
        for follower in members
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name == self.name)
            .flat_map(|(_, member)| member.followers)
        {
            self.purges.inherit(follower.name, FOLLOWER_GRACE);
        }
        self.purges.touch();
    }

    /// Says goodbye: nobody waits for this node any more.
    pub(crate) async fn leave(&self) {
        let _ = timeout(FORGET_TIMEOUT, self.redis.forget(&self.name, None)).await;
    }

    /// Writes a purge to the log.
    pub(crate) async fn append(&self, purge: &Purge) -> Result<Position, RedisUnavailable> {
        let position = self.redis.append(purge, self.keep).await?;
        self.purges.nudge();
        Ok(position)
    }

    /// Waits until nobody uses a page from before the purge, and tells who has acknowledged it.
    pub(crate) async fn settle(&self, purge: Position, deadline: Instant) -> PurgeReply {
        let mut changes = self.purges.changes();
        let mut silent = SilentNodes::default();
        loop {
            let news = self.wakeups.acknowledged();
            let mut reply = PurgeReply { made: true, ..PurgeReply::default() };
            // Should Redis lose the log meanwhile, the purge may be lost with it, and is never over.
            let read = self.purges.read_to();
            let here = read.log == purge.log && read.seq >= purge.seq;
            let over = here && self.purges.settled() >= purge.seq;
            if here { &mut reply.acknowledged } else { &mut reply.missing }.push(self.name.clone());
            self.purges.name_followers(&mut reply, purge.seq, over);
            match self.redis.bound_by(purge).await {
                // Whoever was to be waited for may be lost as well, and may be cut off.
                Ok(None) => reply.missing.push(UNAWARE.to_owned()),
                Ok(Some(members)) => {
                    let others = members.into_iter().filter(|(name, _)| *name != self.name);
                    others.for_each(|(name, member)| silent.name(&mut reply, purge, name, &member));
                }
                Err(error) => {
                    reply.missing.push("redis".to_owned());
                    reply.detail = format!("the other nodes cannot be asked: {error}");
                }
            }
            reply.missing.retain(|name| !reply.acknowledged.contains(name));
            if reply.missing.is_empty() || Instant::now() >= deadline {
                return sorted(reply);
            }
            tokio::select! {
                () = news => {}
                _ = changes.changed() => {}
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    fn member(&self, beats: u64, log: LogId, settled: Seq) -> Member {
        let followers = self.purges.followers().into_iter();
        let followers = followers.map(|(name, seq)| MemberFollower { name, acknowledged: seq.get() });
        Member {
            beats,
            incarnation: self.incarnation,
            grace_ms: self.purges.grace().as_millis() as u32,
            log: log.to_bytes().to_vec().into(),
            settled: settled.get(),
            followers: followers.collect(),
        }
    }

    /// Returns whether there is more to read.
    async fn take_in(&self, had: Position, page: LogPage, sent: Instant) -> bool {
        let last = page.purges.last().map_or(page.head, |logged| logged.seq);
        let read = LogTail { head: page.head, floor: page.floor, purges: &page.purges };
        if self.purges.take_in(page.log, read, sent, last >= page.head) {
            return last < page.head;
        }
        tracing::warn!("the purge log has lost purges, as after a failover: all pages are made again");
        self.begin_another(had.log).await
    }

    /// Returns whether there is more to read: the new log.
    async fn begin_another(&self, lost: LogId) -> bool {
        self.metrics.purge_logs_lost.inc();
        self.redis.succeed(lost).await.is_ok()
    }

    /// Until the next beat is due: after a while, or when there is something to say or to read.
    async fn pause(&self, sent: Instant, told: Seq, changes: &mut tokio::sync::watch::Receiver<u64>) {
        let due = tokio::time::sleep_until((sent + self.purges.grace() / BEATS).into());
        tokio::pin!(due);
        loop {
            tokio::select! {
                () = &mut due => return,
                () = self.wakeups.purged() => return,
                () = self.purges.nudged() => return,
                _ = changes.changed() => {
                    if self.purges.settled() > told && !self.purges.has_lost_touch() {
                        return;
                    }
                }
            }
        }
    }
}

fn sorted(mut reply: PurgeReply) -> PurgeReply {
    for names in [&mut reply.acknowledged, &mut reply.missing] {
        names.sort();
        names.dedup();
    }
    reply
}

/// Since when each node's record has stood still, by this node's own clock.
#[derive(Default)]
struct SilentNodes {
    since: HashMap<String, (Member, Instant)>,
    swept: Option<Instant>,
}

impl SilentNodes {
    /// Puts another node and its edges into the answer.
    fn name(&mut self, reply: &mut PurgeReply, purge: Position, name: String, member: &Member) {
        let now = Instant::now();
        let silent = now.saturating_duration_since(self.since(&name, member, now));
        let same_log = member.log == purge.log.to_bytes()[..];
        let over = same_log && member.settled >= purge.seq.get()
            || silent >= Duration::from_millis(member.grace_ms.into());
        for follower in &member.followers {
            if same_log && follower.acknowledged >= purge.seq.get() {
                reply.acknowledged.push(follower.name.clone());
            } else if !over {
                reply.missing.push(follower.name.clone());
            }
        }
        if same_log && member.settled >= purge.seq.get() {
            reply.acknowledged.push(name);
        } else if !over {
            reply.missing.push(name);
        }
    }

    /// Takes nodes off the list that have been silent for `REMEMBERED`: nobody waits for them any more.
    async fn sweep(&mut self, redis: &Redis, now: Instant) {
        if self.swept.is_some_and(|last| now.saturating_duration_since(last) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        let Ok(members) = redis.members().await else { return };
        self.since.retain(|name, _| members.contains_key(name));
        for (name, member) in members {
            if now.saturating_duration_since(self.since(&name, &member, now)) >= REMEMBERED {
                let _ = redis.forget(&name, Some(&member)).await;
            }
        }
    }

    fn since(&mut self, name: &str, member: &Member, now: Instant) -> Instant {
        match self.since.get(name) {
            Some((known, since)) if known == member => *since,
            _ => {
                self.since.insert(name.to_owned(), (member.clone(), now));
                now
            }
        }
    }
}
