//! What the holder of a lease sends: the page, in pieces, or why there is none. Until then the lease is kept
//! alive.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use process::room::Room;
use prost::Message as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tonic::Streaming;
use weir_proto::cache::exchange_request::Message;
use weir_proto::cache::{EntryHead, ExchangeRequest, LeaseReturn, ReturnReason};
use weir_proto::joiners::JoinerNews;

use super::Exchanges;
use super::lease::Lead;
use super::replies::Replies;
use super::request::LookupRequest;
use crate::entry::{Entry, Terms};
use crate::error::Refusal;
use crate::metrics::StoreResult;
use crate::slot::Rule;
use crate::store::PutResult;

/// How long requests for a page that can never be stored bypass the cache: nobody should stand in line for
/// it.
const UNFIT_PASS: Duration = Duration::from_secs(10);
/// The longest time for which an edge may keep others from refreshing a page.
const MAX_PAUSE: Duration = Duration::from_secs(10);
const LEASE_LOST: &str = "the lease was lost: another request makes this page by now";

/// A stream whose request holds the lease.
pub(super) struct Holder<'a> {
    pub(super) node: &'a Exchanges,
    pub(super) request: &'a LookupRequest,
    pub(super) replies: &'a Replies,
}

impl Holder<'_> {
    /// Serves the stream until the edge has stored the page, gives up, or leaves.
    pub(super) async fn serve(
        self,
        mut lead: Lead,
        mut requests: Streaming<ExchangeRequest>,
    ) -> Result<(), Refusal> {
        let mut page = None;
        let mut news = (!self.request.client.is_empty()).then(|| lead.joiners().news());
        loop {
            let message = tokio::select! {
                biased;
                message = lead.alive_for(requests.message()) => message,
                client = next_joiner(&mut news), if page.is_none() => {
                    self.replies.joined(&client).await?;
                    continue;
                }
                // An edge may leave right after its last message, which has arrived then.
                () = self.replies.closed() => Ok(requests.message().now_or_never().unwrap_or(Ok(None))),
            };
            let Ok(message) = message else {
                drop(lead);
                return self.refuse_late(&mut requests).await;
            };
            // The edge left or broke off: dropping the lead hands it over, and what came of the page is
            // forgotten.
            let Some(message) = message.map_err(Refusal::BrokenOff)? else { return Ok(()) };
            let receiving = match message.message {
                // It did so while it waited.
                Some(Message::Joined(_)) => continue,
                Some(Message::GiveUp(give_up)) => return self.gave_up(lead, give_up).await,
                Some(Message::Store(head)) if page.is_none() => {
                    ReceivedPage::begin(self.node, head).map(Some)
                }
                Some(Message::Chunk(chunk)) => match page.take() {
                    Some(page) => ReceivedPage::push(page, self.node, &chunk).map(Some),
                    None => return Err(Refusal::OutOfOrder("a chunk before the store")),
                },
                Some(Message::End(_)) => match page {
                    Some(page) => return self.store(lead, page).await,
                    None => return Err(Refusal::OutOfOrder("an end before the store")),
                },
                _ => return Err(Refusal::OutOfOrder("neither a store nor a give_up")),
            };
            match receiving {
                Ok(receiving) => page = receiving,
                Err(unfit) => return self.refuse_page(lead, unfit).await,
            }
        }
    }

    async fn store(&self, lead: Lead, page: ReceivedPage) -> Result<(), Refusal> {
        let slot = self.request.slot(page.rule);
        let body = page.body.into_boxed_slice().into();
        let Some(grant) = lead.grant() else {
            self.node.metrics.store(StoreResult::LeaseLost);
            return self.replies.stored(false, LEASE_LOST).await;
        };
        let max_lifetime = self.node.config().max_lifetime.0;
        let entry = Entry::new(slot, page.head, body, Terms { since: page.arrived, max_lifetime, grant });
        let over = entry.use_at(Instant::now()).is_none();
        let (result, kept, detail) = match lead.store(entry).await {
            PutResult::Kept if over => (StoreResult::Expired, false, "its lifetime is over"),
            PutResult::Kept => (StoreResult::Kept, true, ""),
            PutResult::LeaseLost => (StoreResult::LeaseLost, false, LEASE_LOST),
            PutResult::Purged => (StoreResult::Purged, false, "it was purged while it was made"),
        };
        self.node.metrics.store(result);
        self.replies.stored(kept, detail).await
    }

    async fn gave_up(&self, lead: Lead, give_up: LeaseReturn) -> Result<(), Refusal> {
        match give_up.why() {
            ReturnReason::Uncacheable => {
                self.node.metrics.store(StoreResult::Uncacheable);
                let pass_for = Duration::from_millis(give_up.pass_ms).min(self.node.config().max_lifetime.0);
                // A Vary that would match no request: no mark is left, by a rule that nothing covers.
                let vary = Rule::new(&give_up.vary).unwrap_or_else(|_| Rule::unknown());
                lead.uncacheable(&vary, pass_for).await;
            }
            ReturnReason::Failed | ReturnReason::Unspecified => {
                self.node.metrics.store(StoreResult::Failed);
                lead.failed(Duration::from_millis(give_up.pause_ms).min(MAX_PAUSE)).await;
            }
        }
        Ok(())
    }

    async fn refuse_page(&self, lead: Lead, unfit: PageRefusal) -> Result<(), Refusal> {
        let (result, pass_for, detail) = match unfit {
            PageRefusal::TooLarge => {
                (StoreResult::TooLarge, UNFIT_PASS, "it is larger than the node's max_object")
            }
            PageRefusal::Busy => {
                (StoreResult::Busy, Duration::ZERO, "the node receives as much as its max_receiving allows")
            }
            PageRefusal::InvalidVary => {
                (StoreResult::InvalidVary, UNFIT_PASS, "its Vary would match no request")
            }
        };
        self.node.metrics.store(result);
        lead.uncacheable(&Rule::default(), pass_for).await;
        self.replies.stored(false, detail).await
    }

    /// The lease went to the next: refuses what the late holder still sends, for a bounded time.
    async fn refuse_late(&self, requests: &mut Streaming<ExchangeRequest>) -> Result<(), Refusal> {
        let deadline = Instant::now() + self.node.config().max_lease.0;
        while let Ok(Ok(Some(request))) = timeout_at(deadline, requests.message()).await {
            match request.message {
                Some(Message::End(_)) => {
                    self.node.metrics.store(StoreResult::LeaseLost);
                    return self.replies.stored(false, LEASE_LOST).await;
                }
                Some(Message::GiveUp(_)) => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The next client that waits for the page. Never, if the edge wants to hear of none.
async fn next_joiner(news: &mut Option<JoinerNews>) -> Arc<str> {
    match news {
        Some(news) => news.next().await,
        None => pending().await,
    }
}

/// A page on its way in.
struct ReceivedPage {
    head: EntryHead,
    rule: Rule,
    /// When the head came: the age it tells counts from then.
    arrived: Instant,
    body: Vec<u8>,
    /// Its share of `max_receiving`.
    share: Option<OwnedSemaphorePermit>,
}

/// Why a page is not taken. It is nobody's fault: the edge's visitor gets it all the same.
enum PageRefusal {
    TooLarge,
    Busy,
    InvalidVary,
}

impl ReceivedPage {
    fn begin(node: &Exchanges, head: EntryHead) -> Result<Self, PageRefusal> {
        let rule = Rule::new(&head.vary).map_err(|_| PageRefusal::InvalidVary)?;
        let head = EntryHead { vary: rule.names(), ..head };
        if head.encoded_len() > node.config().max_object.bytes() {
            return Err(PageRefusal::TooLarge);
        }
        // A copy of its own: the message's buffer may be much larger, and would live as long as the entry.
        let head = EntryHead::decode(Bytes::from(head.encode_to_vec())).map_err(|_| PageRefusal::TooLarge)?;
        Ok(Self { head, rule, arrived: Instant::now(), body: Vec::new(), share: None })
    }

    fn push(mut self, node: &Exchanges, chunk: &[u8]) -> Result<Self, PageRefusal> {
        if self.body.len() + chunk.len() > node.config().max_object.bytes() {
            return Err(PageRefusal::TooLarge);
        }
        let share = share_of(&node.receiving, chunk.len()).ok_or(PageRefusal::Busy)?;
        match &mut self.share {
            Some(all) => all.merge(share),
            None => self.share = Some(share),
        }
        self.body.extend_from_slice(chunk);
        Ok(self)
    }
}

fn share_of(receiving: &Room, bytes: usize) -> Option<OwnedSemaphorePermit> {
    receiving.take_many(u32::try_from(bytes).ok()?)
}
