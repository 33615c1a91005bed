//! A reply's body on its way to all who joined and, if it may be stored, to L1 and the node. Nothing
//! half-received is stored.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_cache::holes::Holes;
use http_cache::{Lifetime, Reason, csrf};

use super::{Fill, declared_length};
use crate::application::OriginReply;
use crate::cache::flights::{FirstResult, Outcome, ServedPage, Source};
use crate::cache::page::{self, Page, PageHead};
use crate::cache::shared_body::{IncompleteBody, PushResult, SharedBody};
use crate::cache_node::ReturnCause;
use crate::purge_log::PurgeStamp;

/// A body that arrives.
struct FillBody {
    body: Arc<SharedBody>,
    /// Searches the page for a token, unless the page itself says that it may be shared.
    scanner: Option<csrf::Scanner>,
    /// Whether the page is to be stored. It may turn out that it cannot be.
    storable: bool,
    head: PageHead,
    /// How many bytes are still to come, if the reply says so.
    missing: Option<u64>,
    /// L1 has the page already.
    stored: bool,
}

/// How long a page for which there was no memory is not tried again.
const A_WHILE: Duration = Duration::from_secs(1);

/// Nobody reads the body any more.
struct NoReaders;

impl Fill {
    /// Streams the reply to all who joined, to L1 and to the node.
    pub(super) async fn store(&mut self, mut reply: OriginReply, lifetime: Lifetime) {
        // A slow node or reader shall not hold up the application's server.
        reply.body.go_on();
        let grant = self.grant.clone();
        let head = self.head(&reply, lifetime, grant);
        let source = Source::Application { fwd: self.fwd, not_stored: None };
        let mut arriving = self.announce(&reply, head, source);
        if arriving.head.lifetime.validate {
            // Nobody else may use it as it is: nobody waits for it.
            self.ticket.close();
            self.give_up(ReturnCause::Uncacheable { vary: &[], pass_for: Duration::ZERO }).await;
        }
        if let Some(exchange) = &mut self.exchange
            && let Err(why) =
                exchange.store(arriving.head.to_entry(self.ask.request.key.as_bytes(), Instant::now())).await
        {
            self.not_kept(&why);
            self.exchange = None;
        }
        if self.receive(reply, &mut arriving).await.is_err() {
            return;
        }
        if let Some(whole) = arriving.body.whole_body().filter(|_| arriving.storable) {
            self.keep_whole(&mut arriving, whole);
        }
        arriving.body.end(Ok(()));
        if !arriving.stored {
            return;
        }
        if let Some(exchange) = self.exchange.take()
            && let Err(why) = exchange.store_end().await
        {
            self.not_kept(&why);
        }
    }

    /// Gives a reply that is the same for all to those who have joined, and does not store it.
    pub(super) async fn share(&mut self, mut reply: OriginReply, lifetime: Lifetime, reason: Reason) {
        reply.body.go_on();
        let head = self.head(&reply, lifetime, PurgeStamp::passing());
        let source = Source::Application { fwd: self.fwd, not_stored: Some(reason) };
        // Whoever asks from now on asks anew.
        self.ticket.close();
        let mut arriving = FillBody { storable: false, ..self.announce(&reply, head, source) };
        if http_cache::is_error(reply.status) {
            self.give_up(ReturnCause::Failed { pause: Duration::ZERO }).await;
        } else {
            let vary = &arriving.head.lifetime.vary;
            self.give_up(ReturnCause::Uncacheable { vary, pass_for: Duration::ZERO }).await;
        }
        if self.receive(reply, &mut arriving).await.is_ok() {
            arriving.body.end(Ok(()));
        }
    }

    fn head(&self, reply: &OriginReply, lifetime: Lifetime, grant: PurgeStamp) -> PageHead {
        let now = Instant::now();
        PageHead {
            status: reply.status,
            headers: http_cache::fields::stored_headers(&reply.headers, SystemTime::now()),
            born: now.checked_sub(lifetime.age).unwrap_or(now),
            lifetime,
            grant,
            tags: page::tag_hashes(self.key(), &reply.headers),
        }
    }

    /// Tells all who joined that the page begins.
    fn announce(&self, reply: &OriginReply, head: PageHead, source: Source) -> FillBody {
        let searched = !head.lifetime.shared && csrf::applies(&reply.headers);
        let holes = Holes::of(&reply.headers).ok().flatten().filter(|_| searched);
        let scanner = searched.then(|| csrf::Scanner::beside(holes.as_ref()));
        let body = SharedBody::new(self.max_object, &self.cache.bodies);
        if scanner.is_some() {
            body.hold_followers();
        }
        if scanner.is_none() && declared_length(reply).is_some() {
            body.decide(Ok(()));
        }
        if let Some(reader) = body.first_reader() {
            self.ticket.flight.keep_for_first(FirstResult::Reader(reader));
        }
        let served = self.served(head.clone(), body.clone(), source);
        let page = ServedPage { upstream: Some(reply.upstream.clone()), ..served }
            .with_length(declared_length(reply))
            .with_own(http_cache::fields::withheld_headers(&reply.headers));
        self.ticket.flight.settle(Outcome::Page(Arc::new(page)));
        FillBody { body, scanner, storable: true, head, missing: declared_length(reply), stored: false }
    }

    /// Receives the body. Ends it, and has it stored nowhere, if it breaks off.
    async fn receive(&mut self, mut reply: OriginReply, arriving: &mut FillBody) -> Result<(), NoReaders> {
        loop {
            if arriving.missing != Some(0) && !arriving.stored && arriving.body.waits_for_readers() {
                self.refuse_window(arriving).await;
            }
            // What nobody takes yet stays in the adapter's temporary file.
            arriving.body.wanted().await;
            let Some(chunk) = reply.body.next().await else { return Ok(()) };
            let pushed = match chunk {
                Ok(chunk) => self.push(chunk, arriving).await,
                Err(failure) => {
                    self.cache.application.log_failure(&self.ask.target(), &failure);
                    self.broke_off().await;
                    Err(NoReaders)
                }
            };
            if let Err(NoReaders) = pushed {
                arriving.body.end(Err(IncompleteBody));
                if arriving.stored {
                    let request = &self.ask.request;
                    self.cache.l1.withdraw(request.key.as_bytes(), &request.outgoing.headers);
                }
                return pushed;
            }
        }
    }

    /// Stores the page in L1, and lets nobody join any more.
    fn keep_whole(&mut self, arriving: &mut FillBody, whole: Bytes) {
        if !std::mem::replace(&mut arriving.stored, true) {
            self.insert(Arc::new(Page::new(arriving.head.clone(), self.cache.l1.counted(whole))));
            self.ticket.close();
            arriving.body.decide(Ok(()));
        }
    }

    /// Hands one chunk to all who joined and to the node.
    async fn push(&mut self, chunk: Bytes, arriving: &mut FillBody) -> Result<(), NoReaders> {
        if let Some(reason) = arriving.token_in(&chunk) {
            arriving.body.keep_for_first();
            self.refuse(arriving, reason, self.ask.policy.hit_for_miss).await;
        }
        if let Some(exchange) = &mut self.exchange
            && let Err(why) = exchange.store_chunk(chunk.clone()).await
        {
            self.not_kept(&why);
            self.exchange = None;
        }
        arriving.missing = arriving.missing.and_then(|missing| missing.checked_sub(chunk.len() as u64));
        if arriving.missing == Some(0)
            && arriving.storable
            && let Some(whole) = arriving.body.whole_with(&chunk)
        {
            // Whoever has read the page to its end finds it stored.
            self.keep_whole(arriving, whole);
        }
        if !arriving.stored && !arriving.body.keeps(chunk.len() as u64) {
            // Who waits at other edges is told at once, however slowly the page is read here.
            self.refuse_window(arriving).await;
        }
        let pushed = arriving.body.push(chunk).await;
        if pushed == PushResult::Kept || arriving.stored {
            return Ok(());
        }
        self.refuse_window(arriving).await;
        if pushed == PushResult::Unread { Err(NoReaders) } else { Ok(()) }
    }

    /// The page cannot be kept whole.
    async fn refuse_window(&mut self, arriving: &mut FillBody) {
        let hit_for_miss = self.ask.policy.hit_for_miss;
        if arriving.body.is_too_long() {
            self.refuse(arriving, Reason::TooLarge, hit_for_miss).await;
        } else {
            self.refuse(arriving, Reason::NoRoom, hit_for_miss.min(A_WHILE)).await;
        }
    }

    /// The page is not stored after all, nobody joins it any more, and who asks during `pass_for` asks alone.
    async fn refuse(&mut self, arriving: &mut FillBody, reason: Reason, pass_for: Duration) {
        if std::mem::take(&mut arriving.storable) {
            self.ticket.close();
            arriving.body.decide(Err(reason));
            self.leave_mark(reason, pass_for).await;
        }
    }
}

impl FillBody {
    /// Why the page is its visitor's own, if the chunk shows that it is.
    fn token_in(&mut self, chunk: &[u8]) -> Option<Reason> {
        let scanner = self.scanner.as_mut()?;
        if !scanner.feed(chunk) {
            return None;
        }
        let reason = scanner.reason().unwrap_or(Reason::CsrfToken);
        self.scanner = None;
        Some(reason)
    }
}
