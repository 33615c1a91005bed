//! What a lookup is answered: who gets the page, who waits for it, and who may make it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use weir_proto::cache::{self, PassReason, Use};
use weir_proto::fields;

use super::flight::Joined;
use super::lease::{Lead, Turn};
use super::replies::Replies;
use crate::entry::Entry;
use crate::error::Refusal;
use crate::metrics::Answered;
use crate::node::Parts;
use crate::slot::{Rule, Slot};
use crate::store::Looked;
use crate::store::memory::Known;

/// The longest key. An edge takes no longer request head.
const MAX_KEY: usize = 64 * 1024;
/// How long one who waits for another node goes without looking again: news by Redis may be lost.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often a lookup is begun anew. More happens only where a key's Vary rule never stands still.
const ROUNDS: usize = 8;

/// A lookup, taken apart.
pub(crate) struct Asked {
    key: Bytes,
    fields: HeaderMap,
    pub(crate) refresh: bool,
    /// When it was asked: a page that was purged later is no answer to one who asks after the purge.
    pub(crate) at: std::time::Instant,
    deadline: Instant,
}

pub(crate) enum Answer {
    Found(Arc<Entry>, Use),
    /// With the lease: make the page anew.
    FoundToRefresh(Arc<Entry>, Use, Lead),
    Lease(Lead),
    Pass(PassReason, Duration),
    /// The edge left.
    Left,
}

impl Asked {
    /// The wait counts from now.
    pub(crate) fn new(lookup: cache::Lookup, max_wait: Duration) -> Result<Self, Refusal> {
        if lookup.key.is_empty() || lookup.key.len() > MAX_KEY {
            return Err(Refusal::BadKey(MAX_KEY));
        }
        let wait = Duration::from_millis(lookup.wait_ms.into()).min(max_wait);
        Ok(Self {
            fields: fields::to_headers(&lookup.fields).map_err(|_| Refusal::BadField)?,
            // Kept for long in the tables: a copy, so that it does not keep the whole message alive.
            key: Bytes::copy_from_slice(&lookup.key),
            refresh: lookup.refresh,
            at: std::time::Instant::now(),
            deadline: Instant::now() + wait,
        })
    }

    pub(crate) fn key(&self) -> &Bytes {
        &self.key
    }

    /// The slot this lookup is about, should `rule` be the key's.
    pub(crate) fn slot(&self, rule: Rule) -> Slot {
        Slot::new(self.key.clone(), rule, &self.fields)
    }
}

impl Answer {
    pub(crate) fn counted_as(&self) -> Answered {
        match self {
            Self::Found(_, Use::Stale) => Answered::Stale,
            Self::Found(_, Use::OnError) => Answered::OnError,
            Self::Found(..) => Answered::Fresh,
            Self::FoundToRefresh(_, Use::OnError, _) => Answered::OnErrorWithLease,
            Self::FoundToRefresh(..) => Answered::StaleWithLease,
            Self::Lease(_) => Answered::Lease,
            Self::Pass(PassReason::HitForMiss, _) => Answered::HitForMiss,
            Self::Pass(PassReason::UncacheableReply, _) => Answered::UncacheableReply,
            Self::Pass(PassReason::HolderFailed, _) => Answered::HolderFailed,
            Self::Pass(PassReason::WaitTimeout, _) => Answered::WaitTimeout,
            Self::Pass(..) => Answered::TooMany,
            Self::Left => Answered::Left,
        }
    }
}

/// Answers a lookup. What it holds is passed on if the edge leaves meanwhile.
pub(crate) async fn answer(node: &Arc<Parts>, asked: Arc<Asked>, replies: &mut Replies) -> Answer {
    // A rule just heard of, in case memory is too full to remember it.
    let mut heard_rule = None;
    for _ in 0..ROUNDS {
        let rule = heard_rule.take().unwrap_or_else(|| node.store.rule(asked.key()));
        let slot = Arc::new(asked.slot(rule));
        let stale = match node.store.known(&slot) {
            Known::Entry(entry, Use::Fresh) => return Answer::Found(entry, Use::Fresh),
            Known::Passed(left) => return Answer::Pass(PassReason::HitForMiss, left),
            Known::TooManyVariants => return Answer::Pass(PassReason::TooMany, Duration::ZERO),
            Known::Entry(entry, Use::Stale) if !asked.refresh => Some(entry),
            Known::Entry(..) | Known::Nothing => None,
        };
        let lead = match (node.flights.join(&slot, &asked, stale.is_none()), stale) {
            (Joined::Leads, _) => Lead::new(node.clone(), slot),
            // Somebody refreshes it.
            (Joined::Led, Some(entry)) => return Answer::Found(entry, Use::Stale),
            (Joined::Waits(turn), _) => match wait(node, &asked, turn, replies).await {
                Ok(Turn::Lead(lead)) => lead,
                Ok(Turn::Found(entry, usage)) => return Answer::Found(entry, usage),
                Ok(Turn::Pass(reason, pass_for)) => return Answer::Pass(reason, pass_for),
                Ok(Turn::Again) => continue,
                Err(answer) => return answer,
            },
            (Joined::Full | Joined::Led, _) => return Answer::Pass(PassReason::TooMany, Duration::ZERO),
        };
        match lead_to_answer(node, &asked, lead, replies).await {
            Ok(answer) => return answer,
            Err(OtherRule(rule)) => heard_rule = Some(rule),
        }
    }
    Answer::Pass(PassReason::WaitTimeout, Duration::ZERO)
}

struct OtherRule(Rule);

/// As the one who leads: gets the page or the lease from the store, and tells those who wait what concerns them.
async fn lead_to_answer(
    node: &Arc<Parts>,
    asked: &Asked,
    mut lead: Lead,
    replies: &mut Replies,
) -> Result<Answer, OtherRule> {
    if lead.has_lease() {
        let stale = node.store.known(lead.slot()).entry();
        return Ok(with_lease(node, asked, lead, stale));
    }
    loop {
        let news = node.store.bells().heard(lead.slot());
        match lead.ask().await {
            Looked::Fresh(entry) => {
                lead.tell_all(|| Turn::Found(entry.clone(), Use::Fresh));
                return Ok(Answer::Found(entry, Use::Fresh));
            }
            Looked::Passed(left) => {
                lead.tell_all(|| Turn::Pass(PassReason::HitForMiss, left));
                return Ok(Answer::Pass(PassReason::HitForMiss, left));
            }
            Looked::OtherRule(rule) => {
                lead.tell_all(|| Turn::Again);
                return Err(OtherRule(rule));
            }
            Looked::Granted(stale) => {
                if let Some(entry) = to_serve_stale(node, &stale) {
                    lead.serve_stale(entry);
                }
                return Ok(with_lease(node, asked, lead, stale));
            }
            Looked::Held(stale) => {
                if let Some(entry) = to_serve_stale(node, &stale) {
                    lead.serve_stale(entry);
                    if !asked.refresh {
                        return Ok(Answer::Found(entry.clone(), Use::Stale));
                    }
                }
            }
        }
        // Another node makes the page.
        let look_again = Instant::now() + LOOK_AGAIN;
        let waited = wait_until(node, asked, replies, async {
            tokio::select! {
                () = news => {}
                () = sleep_until(look_again) => {}
            }
        });
        if let Err(answer) = waited.await {
            return Ok(answer);
        }
    }
}

fn to_serve_stale<'a>(node: &Parts, entry: &'a Option<Arc<Entry>>) -> Option<&'a Arc<Entry>> {
    entry.as_ref().filter(|entry| node.purges.usage(entry) == Some(Use::Stale))
}

/// The answer to the one who holds the lease. A refresh has a stale copy already.
fn with_lease(node: &Parts, asked: &Asked, lead: Lead, stale: Option<Arc<Entry>>) -> Answer {
    let usable = stale.and_then(|entry| node.purges.usage(&entry).map(|usage| (entry, usage)));
    match usable {
        Some((entry, usage)) if !asked.refresh => Answer::FoundToRefresh(entry, usage, lead),
        _ => Answer::Lease(lead),
    }
}

async fn wait(
    node: &Parts,
    asked: &Asked,
    turn: oneshot::Receiver<Turn>,
    replies: &mut Replies,
) -> Result<Turn, Answer> {
    // A turn that nobody gives: the leader's task is gone with all it held.
    wait_until(node, asked, replies, turn).await.map(|turn| turn.unwrap_or(Turn::Again))
}

/// Waits for what another does, within the bounds. The error is what to answer instead.
async fn wait_until<T>(
    node: &Parts,
    asked: &Asked,
    replies: &mut Replies,
    event: impl Future<Output = T>,
) -> Result<T, Answer> {
    let Ok(_place) = node.waiting.try_acquire() else {
        return Err(Answer::Pass(PassReason::TooMany, Duration::ZERO));
    };
    if replies.wait().await.is_err() {
        return Err(Answer::Left);
    }
    node.metrics.waiting.inc();
    let waited = tokio::select! {
        waited = timeout_at(asked.deadline, event) => {
            waited.map_err(|_| Answer::Pass(PassReason::WaitTimeout, Duration::ZERO))
        }
        () = replies.closed() => Err(Answer::Left),
    };
    node.metrics.waiting.dec();
    waited
}
