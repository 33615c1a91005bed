//! One fill: asks the cache-node for a page, and with the lease the application; gives the page to all who
//! joined, and stores it.
//!
//! It runs by itself: a client that leaves does not end it.

mod from_node;
mod push;
mod uncacheable;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, StatusCode};
use http_cache::cache_status::Fwd;
use http_cache::{Reason, ReplyParts, Verdict, vary};
use process::telemetry::request_log;

use self::from_node::told_who_joins;
use crate::application::ask::SharedAsk;
use crate::application::{Failure, OriginReply};
use crate::cache::flights::{FirstResult, FlightSeat, Outcome, ServedPage, Source, Ticket};
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache::shared_body::SharedBody;
use crate::cache::validate::ValidationReply;
use crate::cache::{Cache, validate};
use crate::cache_node::{Answer, Exchange, Intent, Question, ReturnCause};
use crate::purge_log::PurgeStamp;

/// A stored page's body goes to the node in pieces of this size, in bytes.
const CHUNK: usize = 64 * 1024;
/// How long no edge refreshes a page after a refresh that failed; each edge's own pause grows from there.
const PAUSE: Duration = Duration::from_millis(200);

/// A page on its way from the node or the application to all who joined, to L1 and to the node.
pub(crate) struct Fill {
    cache: Arc<Cache>,
    ticket: Ticket,
    ask: SharedAsk,
    intent: Intent,
    /// The stream to the node, as long as it holds the lease.
    exchange: Option<Exchange>,
    grant: PurgeStamp,
    /// A stale page that may be given if the application fails.
    fallback: Option<Arc<Page>>,
    fwd: Fwd,
    /// The longest body that this edge or the node keeps.
    max_object: u64,
}

/// What the node's answer leaves to do.
enum FillStep {
    /// Ask the application.
    Make,
    /// The flight has its outcome.
    Done,
}

/// Makes sure that exactly one refresh of a stale page is under way, unless one has just failed; nobody waits
/// for it.
pub(crate) fn refresh(cache: &Arc<Cache>, ask: &SharedAsk, stale: &Page) {
    let (key, fields) = (ask.request.key.as_bytes(), &ask.request.outgoing.headers);
    if !cache.l1.may_refresh(key, fields, Instant::now()) {
        return;
    }
    let names = &stale.head.lifetime.vary;
    let variant = (!names.is_empty()).then(|| vary::selected(names, fields));
    if let FlightSeat::First(ticket) = cache.flights.join(key, variant, &ask.ask.client.share_name()) {
        Fill::begin(cache, ticket, ask.clone(), Intent::Refresh);
    }
}

impl Fill {
    /// Runs the fill for the ticket's flight, in a task of its own.
    pub(crate) fn begin(cache: &Arc<Cache>, ticket: Ticket, ask: SharedAsk, intent: Intent) {
        let grant = cache.log.alone(Instant::now());
        let max_object = ask.policy.max_object.min(cache.l1.max_object());
        let fill = Self {
            cache: cache.clone(),
            ticket,
            ask,
            intent,
            exchange: None,
            grant,
            fallback: None,
            fwd: Fwd::UriMiss,
            max_object,
        };
        cache.tasks.spawn(request_log::carried(fill.run()));
    }

    async fn run(mut self) {
        let asked = Instant::now();
        let question = Question {
            key: self.ask.request.key.as_bytes(),
            fields: &self.ask.request.outgoing.headers,
            intent: self.intent,
            probe: self.cache.l1.is_marked(self.key(), &self.ask.request.outgoing.headers, asked),
            wait: self.cache.patience.of_a_follower(self.cache.l1.was_stored(self.key())),
            joiners: &self.ticket.flight.joiners,
        };
        let looked = self.cache.nodes.look_up(&question).await;
        let next = match looked {
            Err(gone) => {
                // Fail open: this flight is the only lease, for this edge.
                self.cache.node_gone(&gone);
                FillStep::Make
            }
            Ok((exchange, Answer::Lease(lease), _)) => {
                self.grant = self.cache.log.grant(lease.position.as_ref(), asked);
                self.node_keeps(lease.max_object);
                self.exchange = Some(exchange);
                FillStep::Make
            }
            Ok((_, Answer::Pass(why, how_long), _)) => self.passed(why, how_long),
            Ok((exchange, Answer::Found(found), waited)) => self.found(exchange, *found, asked, waited).await,
        };
        if let FillStep::Make = next {
            self.make().await;
        }
    }

    fn key(&self) -> &[u8] {
        self.ask.request.key.as_bytes()
    }

    /// The node takes bodies up to this length, too. 0: it did not say.
    fn node_keeps(&mut self, max_object: u64) {
        let own = self.cache.l1.max_object();
        let either = if max_object == 0 { u64::MAX } else { own.max(max_object) };
        self.max_object = self.ask.policy.max_object.min(either);
    }

    /// Asks the application.
    async fn make(&mut self) {
        let (key, fields) = (self.key(), &self.ask.request.outgoing.headers);
        let stored = self.cache.l1.stored(key, fields, Instant::now());
        let mut pages = stored.pages;
        if pages.is_empty() {
            pages.extend(self.fallback.clone());
        }
        self.fwd = match (pages.is_empty(), stored.others) {
            (false, _) => Fwd::Stale,
            (true, true) => Fwd::VaryMiss,
            (true, false) => Fwd::UriMiss,
        };
        let asked = SystemTime::now();
        let made = {
            let joiners = &self.ticket.flight.joiners;
            let made = validate::ask(&self.cache, &self.ask, &pages, &self.grant, Some(joiners));
            told_who_joins(pin!(made), self.exchange.as_mut(), joiners).await
        };
        match made {
            Ok(ValidationReply::Reply(reply)) => {
                let upstream = reply.upstream.clone();
                self.judge(*reply, asked).await;
                if let Some(recorder) = self.ask.recorder.as_ref().filter(|_| self.intent == Intent::Refresh)
                {
                    recorder.refreshed(&upstream);
                }
            }
            Ok(ValidationReply::Holds(page)) => self.keep(page).await,
            Ok(ValidationReply::Withdrawn(reason)) => {
                self.fallback = None;
                let request = &self.ask.request;
                self.cache.l1.withdraw(request.key.as_bytes(), &request.outgoing.headers);
                self.withdraw(None, reason).await;
            }
            Err(failure) => self.failed(failure).await,
        }
    }

    async fn judge(&mut self, mut reply: OriginReply, asked: SystemTime) {
        let fallback = if http_cache::fails_refresh(reply.status) { self.find_fallback() } else { None };
        if let Some(page) = fallback {
            return self.fall_back(page, Ok(reply)).await;
        }
        // A reply that breaks off before its first byte is none: nobody has been told of it yet.
        if let Err(failure) = reply.body.begin().await {
            return self.failed(failure).await;
        }
        match self.verdict(&reply, asked) {
            Verdict::Store(mut lifetime) => {
                lifetime.shorten(self.ask.policy.jitter, rand::random());
                self.store(reply, lifetime).await;
            }
            Verdict::DoNotStore(reason) => {
                let same_for_all = self.ask.policy.collapses(&self.parts(&reply, asked), SystemTime::now());
                // Who reads a longer one slower than others would lose its rest.
                match same_for_all.filter(|_| declared_length(&reply).is_none_or(SharedBody::is_for_several))
                {
                    Some(lifetime) => self.share(reply, lifetime, reason).await,
                    None => self.withdraw(Some(reply), reason).await,
                }
            }
        }
    }

    /// The application could not be asked, or broke off.
    async fn failed(&mut self, failure: Failure) {
        if let Some(page) = self.find_fallback() {
            return self.fall_back(page, Err(failure)).await;
        }
        self.cache.application.log_failure(&self.ask.target(), &failure);
        self.ticket.end(Outcome::Failed(failure));
        self.give_up(ReturnCause::Failed { pause: Duration::ZERO }).await;
    }

    /// A stored page holds: it is given to all who joined, and stored anew.
    async fn keep(&mut self, page: Arc<Page>) {
        let body = SharedBody::whole(page.body.clone());
        self.insert(page.clone());
        let served = self.served(page.head.clone(), body, Source::Validated { fwd: self.fwd });
        self.ticket.end(Outcome::Page(Arc::new(served)));
        if page.head.lifetime.validate {
            return self.give_up(ReturnCause::Uncacheable { vary: &[], pass_for: Duration::ZERO }).await;
        }
        let Some(mut exchange) = self.exchange.take() else { return };
        let stored = async {
            exchange.store(page.head.to_entry(self.ask.request.key.as_bytes(), Instant::now())).await?;
            let mut rest = page.body.clone();
            while !rest.is_empty() {
                exchange.store_chunk(rest.split_to(rest.len().min(CHUNK))).await?;
            }
            exchange.store_end().await
        };
        if let Err(why) = stored.await {
            self.not_kept(&why);
        }
    }

    fn parts<'a>(&self, reply: &'a OriginReply, asked: SystemTime) -> ReplyParts<'a> {
        ReplyParts {
            status: reply.status,
            headers: &reply.headers,
            authorization: self.ask.request.look.authorization,
            // The application sees none while it makes a page to be shared.
            personal: false,
            request_time: asked,
        }
    }

    /// May the reply be stored, and how long? `asked`: when the application was.
    fn verdict(&self, reply: &OriginReply, asked: SystemTime) -> Verdict {
        let verdict = self.ask.policy.reply(&self.parts(reply, asked), SystemTime::now());
        match (verdict, declared_length(reply)) {
            (Verdict::Store(_), Some(length)) if length > self.max_object => {
                Verdict::DoNotStore(Reason::TooLarge)
            }
            (verdict, _) => verdict,
        }
    }

    /// A stale page that may be given if the application fails.
    fn find_fallback(&self) -> Option<Arc<Page>> {
        let (key, now) = (self.key(), Instant::now());
        let page = self.fallback.clone();
        let outgoing = &self.ask.request.outgoing;
        let page = page.or_else(|| self.cache.l1.fallback(key, &outgoing.headers, now));
        // One that was made before the language was learnt is as good.
        let page = page.or_else(|| self.cache.l1.fallback(key, &outgoing.as_sent()?, now))?;
        let usage = page.lifetime(key, now)?.use_at(page.head.age(now));
        usage.on_error().then_some(page)
    }

    /// A page that stands in for a reply that cannot be given to all; why.
    fn stale(&self, page: &Page, why: Reason) -> Outcome {
        let (body, source) = (SharedBody::whole(page.body.clone()), Source::Stale(Staleness::Failing(why)));
        Outcome::Page(Arc::new(self.served(page.head.clone(), body, source)))
    }

    fn served(&self, head: PageHead, body: Arc<SharedBody>, source: Source) -> ServedPage {
        let selected = vary::selected(&head.lifetime.vary, &self.ask.request.outgoing.headers);
        ServedPage { head, selected, body, source, length: None, own: HeaderMap::new(), upstream: None }
    }

    fn insert(&self, page: Arc<Page>) {
        let fields = &self.ask.request.outgoing.headers;
        if self.ask.policy.learn_languages {
            self.cache.l1.learn_language(self.key(), fields, &page.head);
        }
        // Pages that slow clients still read take memory after they were evicted, as bodies on their way do.
        if self.cache.bodies.may_store(page.body.len() as u64, self.cache.l1.beside()) {
            self.cache.l1.insert(self.key(), fields, page);
        }
    }

    /// Keeps the reply for the request that began the flight, and for no other. `reason`: why it may not be
    /// shared.
    fn keep_for_first(&self, reply: OriginReply, reason: Reason) {
        self.ticket.flight.keep_for_first(FirstResult::Reply(Box::new(reply), reason));
    }
}

fn declared_length(reply: &OriginReply) -> Option<u64> {
    if matches!(reply.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0);
    }
    content_length(&reply.headers)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
