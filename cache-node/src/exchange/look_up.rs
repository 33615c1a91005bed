//! How a lookup is answered: which request gets the page, which waits for it, and which may make it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::Streaming;
use weir_proto::cache::exchange_request::Message;
use weir_proto::cache::{ExchangeRequest, PassReason, Use};
use weir_proto::joiners::Joiners;

use super::Exchanges;
use super::lease::{Lead, LeadAttempt, Turn};
use super::replies::Replies;
use super::request::LookupRequest;
use crate::entry::Entry;
use crate::metrics::Answered;
use crate::slot::Rules;
use crate::store::{LookUpResult, Mark};

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

impl From<Turn> for Answer {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Found(entry, usage) => Self::Found(entry, usage),
            Turn::Pass(reason, pass_for) => Self::Pass(reason, pass_for),
            Turn::Lead(lead) => Self::Lease(lead),
            Turn::Again => Self::Pass(PassReason::WaitTimeout, Duration::ZERO),
        }
    }
}

/// The key's Vary rules are others.
struct OtherRules(Rules);

/// One lookup on its way to an answer.
pub(super) struct LookUp<'a> {
    node: &'a Exchanges,
    request: Arc<LookupRequest>,
    replies: &'a mut Replies,
    /// What the edge sends while it waits.
    requests: &'a mut Streaming<ExchangeRequest>,
}

impl<'a> LookUp<'a> {
    pub(super) fn new(
        node: &'a Exchanges,
        request: Arc<LookupRequest>,
        replies: &'a mut Replies,
        requests: &'a mut Streaming<ExchangeRequest>,
    ) -> Self {
        Self { node, request, replies, requests }
    }

    /// Answers the lookup. If the edge leaves meanwhile, what it holds goes to the next.
    pub(super) async fn answer(mut self) -> Answer {
        let store = &self.node.leads.store;
        // Rules just heard of, in case memory is too full to remember them.
        let mut heard = None;
        for _ in 0..ROUNDS {
            let rules = heard.take().unwrap_or_else(|| store.rules(self.request.key()));
            let selection = Arc::new(self.request.selection(rules));
            let known = store.known(&selection);
            if let Some((entry, Use::Fresh)) = known.entry {
                return Answer::Found(entry, Use::Fresh);
            }
            if let Some((mark, left)) = known.mark
                && let Some(turn) = self.while_marked(mark, left, known.entry.clone())
            {
                return turn.into();
            }
            let stale = known.entry.filter(|(_, usage)| *usage == Use::Stale && !self.request.refresh);
            let lead = match (self.node.leads.join(&selection, &self.request, stale.is_none()), stale) {
                (LeadAttempt::Leads(lead), _) => lead,
                // Somebody refreshes it.
                (LeadAttempt::HasLeader, Some((entry, _))) => return Answer::Found(entry, Use::Stale),
                (LeadAttempt::Waits(turn, joiners), _) => match self.wait(turn, &joiners).await {
                    Ok(Turn::Lead(lead)) => lead,
                    Ok(Turn::Found(entry, usage)) => return Answer::Found(entry, usage),
                    Ok(Turn::Pass(reason, pass_for)) => return Answer::Pass(reason, pass_for),
                    Ok(Turn::Again) => continue,
                    Err(answer) => return answer,
                },
                (LeadAttempt::Full | LeadAttempt::HasLeader, _) => {
                    return Answer::Pass(PassReason::TooMany, Duration::ZERO);
                }
            };
            match self.lead_to_answer(lead).await {
                Ok(answer) => return answer,
                Err(OtherRules(rules)) => heard = Some(rules),
            }
        }
        Answer::Pass(PassReason::WaitTimeout, Duration::ZERO)
    }

    /// As the leader: gets the page or the lease from the store, and tells those that wait what concerns
    /// them.
    async fn lead_to_answer(&mut self, mut lead: Lead) -> Result<Answer, OtherRules> {
        let store = &self.node.leads.store;
        if lead.has_lease() {
            let stale = store.known(lead.selection()).entry.map(|(entry, _)| entry);
            return Ok(self.with_lease(lead, stale));
        }
        loop {
            let news = store.wakeups().heard(lead.selection().lease());
            match lead.ask(self.request.probe).await {
                LookUpResult::Fresh(entry) => {
                    lead.tell_all(|| Turn::Found(entry.clone(), Use::Fresh));
                    return Ok(Answer::Found(entry, Use::Fresh));
                }
                LookUpResult::Marked(mark, left, stale) => {
                    // The others meet the mark themselves.
                    lead.tell_all(|| Turn::Again);
                    let usable = stale.and_then(|entry| {
                        let usage = self.node.purges.usage(&entry)?;
                        Some((entry, usage))
                    });
                    let turn = self.while_marked(mark, left, usable);
                    return Ok(turn.unwrap_or(Turn::Pass(PassReason::HolderFailed, Duration::ZERO)).into());
                }
                LookUpResult::OtherRules(rules) => {
                    lead.tell_all(|| Turn::Again);
                    return Err(OtherRules(rules));
                }
                LookUpResult::Granted(stale) => {
                    if let Some(entry) = self.to_serve_stale(&stale) {
                        lead.serve_stale(entry);
                    }
                    return Ok(self.with_lease(lead, stale));
                }
                LookUpResult::Held(stale) => {
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
            let heard = async {
                tokio::select! {
                    () = news => {}
                    () = sleep_until(look_again) => {}
                }
            };
            let waited = self.wait_until(heard, lead.joiners());
            if let Err(answer) = waited.await {
                return Ok(answer);
            }
        }
    }

    /// What a request gets while nobody gets the lease. `None`: the mark does not concern it.
    fn while_marked(&self, mark: Mark, left: Duration, stale: Option<(Arc<Entry>, Use)>) -> Option<Turn> {
        if self.request.probe {
            return None;
        }
        match (stale, mark) {
            (None, Mark::Failed) => None,
            (Some((entry, usage)), _) if !self.request.refresh => {
                // RFC 5861 section 4: it stands in as long as that lasts.
                Some(Turn::Found(entry, if usage == Use::Stale { usage } else { Use::OnError }))
            }
            (_, Mark::Uncacheable) => Some(Turn::Pass(PassReason::HitForMiss, left)),
            (Some(_), Mark::Failed) => Some(Turn::Pass(PassReason::HolderFailed, Duration::ZERO)),
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

    async fn wait(&mut self, turn: oneshot::Receiver<Turn>, joiners: &Joiners) -> Result<Turn, Answer> {
        // A turn that nobody gives: the leader's task is gone with all it held.
        self.wait_until(turn, joiners).await.map(|turn| turn.unwrap_or(Turn::Again))
    }

    /// Waits for what another does, within the bounds. The error is what to answer instead. Whoever makes the
    /// page hears by `joiners` who waits for it at this edge.
    async fn wait_until<T>(
        &mut self,
        event: impl Future<Output = T>,
        joiners: &Joiners,
    ) -> Result<T, Answer> {
        let Some(_place) = self.node.waiting.take() else {
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
            () = hear_of(self.requests, joiners) => Err(Answer::Left),
        };
        self.node.metrics.waiting.dec();
        waited
    }
}

/// Takes what an edge sends while it waits: who joins. Resolves when it sends anything else.
async fn hear_of(requests: &mut Streaming<ExchangeRequest>, joiners: &Joiners) {
    loop {
        match requests.message().await {
            Ok(Some(ExchangeRequest { message: Some(Message::Joined(joined)) })) => {
                joiners.add(&joined.client);
            }
            Ok(Some(_)) => return,
            // Whether it has left is seen by its end of the replies.
            Ok(None) | Err(_) => return pending().await,
        }
    }
}
