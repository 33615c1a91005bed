//! How a lookup is answered: which request gets the page, which waits for it, and which may make it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use weir_proto::cache::{PassReason, Use};

use super::Exchanges;
use super::lease::{Joined, Lead, Turn};
use super::replies::Replies;
use super::request::LookupRequest;
use crate::entry::Entry;
use crate::metrics::Answered;
use crate::slot::Rule;
use crate::store::Looked;
use crate::store::memory::Known;

/// How long a request that waits for another node goes without looking again: news by Redis may be lost.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often a lookup is begun again. More happens only where a key's Vary rule never stands still.
const ROUNDS: usize = 8;

pub(super) enum Answer {
    Found(Arc<Entry>, Use),
    /// The stale page and the lease: refresh the page.
    FoundToRefresh(Arc<Entry>, Use, Lead),
    Lease(Lead),
    Pass(PassReason, Duration),
    /// The edge left.
    Left,
}

impl Answer {
    pub(super) fn counted_as(&self) -> Answered {
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

/// The key's Vary rule is another one.
struct OtherRule(Rule);

/// One lookup on its way to an answer.
pub(super) struct LookUp<'a> {
    node: &'a Exchanges,
    request: Arc<LookupRequest>,
    replies: &'a mut Replies,
}

impl<'a> LookUp<'a> {
    pub(super) fn new(node: &'a Exchanges, request: Arc<LookupRequest>, replies: &'a mut Replies) -> Self {
        Self { node, request, replies }
    }

    /// Answers the lookup. If the edge leaves meanwhile, what it holds goes to the next.
    pub(super) async fn answer(mut self) -> Answer {
        let store = &self.node.leads.store;
        // A rule just heard of, in case memory is too full to remember it.
        let mut heard_rule = None;
        for _ in 0..ROUNDS {
            let rule = heard_rule.take().unwrap_or_else(|| store.rule(self.request.key()));
            let slot = Arc::new(self.request.slot(rule));
            let stale = match store.known(&slot) {
                Known::Entry(entry, Use::Fresh) => return Answer::Found(entry, Use::Fresh),
                Known::Passed(left) => return Answer::Pass(PassReason::HitForMiss, left),
                Known::TooManyVariants => return Answer::Pass(PassReason::TooMany, Duration::ZERO),
                Known::Entry(entry, Use::Stale) if !self.request.refresh => Some(entry),
                Known::Entry(..) | Known::Nothing => None,
            };
            let lead = match (self.node.leads.join(&slot, &self.request, stale.is_none()), stale) {
                (Joined::Leads(lead), _) => lead,
                // Somebody refreshes it.
                (Joined::HasLeader, Some(entry)) => return Answer::Found(entry, Use::Stale),
                (Joined::Waits(turn), _) => match self.wait(turn).await {
                    Ok(Turn::Lead(lead)) => lead,
                    Ok(Turn::Found(entry, usage)) => return Answer::Found(entry, usage),
                    Ok(Turn::Pass(reason, pass_for)) => return Answer::Pass(reason, pass_for),
                    Ok(Turn::Again) => continue,
                    Err(answer) => return answer,
                },
                (Joined::Full | Joined::HasLeader, _) => {
                    return Answer::Pass(PassReason::TooMany, Duration::ZERO);
                }
            };
            match self.lead_to_answer(lead).await {
                Ok(answer) => return answer,
                Err(OtherRule(rule)) => heard_rule = Some(rule),
            }
        }
        Answer::Pass(PassReason::WaitTimeout, Duration::ZERO)
    }

    /// As the leader: gets the page or the lease from the store, and tells those that wait what concerns
    /// them.
    async fn lead_to_answer(&mut self, mut lead: Lead) -> Result<Answer, OtherRule> {
        let store = &self.node.leads.store;
        if lead.has_lease() {
            let stale = store.known(lead.slot()).entry();
            return Ok(self.with_lease(lead, stale));
        }
        loop {
            let news = store.wakeups().heard(lead.slot());
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
                    if let Some(entry) = self.to_serve_stale(&stale) {
                        lead.serve_stale(entry);
                    }
                    return Ok(self.with_lease(lead, stale));
                }
                Looked::Held(stale) => {
                    if let Some(entry) = self.to_serve_stale(&stale) {
                        lead.serve_stale(entry);
                        if !self.request.refresh {
                            return Ok(Answer::Found(entry.clone(), Use::Stale));
                        }
                    }
                }
            }
            // Another node makes the page.
            let look_again = Instant::now() + LOOK_AGAIN;
            let waited = self.wait_until(async {
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

    fn to_serve_stale<'e>(&self, entry: &'e Option<Arc<Entry>>) -> Option<&'e Arc<Entry>> {
        entry.as_ref().filter(|entry| self.node.purges.usage(entry) == Some(Use::Stale))
    }

    /// The answer to the request that holds the lease. A refresh has a stale copy already.
    fn with_lease(&self, lead: Lead, stale: Option<Arc<Entry>>) -> Answer {
        let usable = stale.and_then(|entry| self.node.purges.usage(&entry).map(|usage| (entry, usage)));
        match usable {
            Some((entry, usage)) if !self.request.refresh => Answer::FoundToRefresh(entry, usage, lead),
            _ => Answer::Lease(lead),
        }
    }

    async fn wait(&mut self, turn: oneshot::Receiver<Turn>) -> Result<Turn, Answer> {
        // A turn that nobody gives: the leader's task is gone with all it held.
        self.wait_until(turn).await.map(|turn| turn.unwrap_or(Turn::Again))
    }

    /// Waits for what another does, within the bounds. The error is what to answer instead.
    async fn wait_until<T>(&mut self, event: impl Future<Output = T>) -> Result<T, Answer> {
        let Ok(_place) = self.node.waiting.try_acquire() else {
            return Err(Answer::Pass(PassReason::TooMany, Duration::ZERO));
        };
        if self.replies.wait().await.is_err() {
            return Err(Answer::Left);
        }
        self.node.metrics.waiting.inc();
        let waited = tokio::select! {
            waited = timeout_at(self.request.deadline, event) => {
                waited.map_err(|_| Answer::Pass(PassReason::WaitTimeout, Duration::ZERO))
            }
            () = self.replies.closed() => Err(Answer::Left),
        };
        self.node.metrics.waiting.dec();
        waited
    }
}
