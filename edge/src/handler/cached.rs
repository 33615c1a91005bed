//! A request that may use the cache: from L1, from a fetch under way, from the cache-node or, as the first,
//! from the application.

mod from_flight;

use std::sync::Arc;
use std::time::{Duration, Instant};

use from_flight::{HeadTime, from_flight};
use http_cache::{Reason, RequestSummary, SharedRequest, vary};
use process::wait::within;
use purge::Reach;

use crate::application::ask::SharedAsk;
use crate::application::{Failure, OriginReply};
use crate::cache::Cache;
use crate::cache::fill::{self, Fill};
use crate::cache::flights::{self, FirstSeat, Flight, FlightSeat, ServedPage, Ticket};
use crate::cache::lanes::Lane;
use crate::cache::page::{Page, PageHead, Staleness};
use crate::cache::validate::{self, ValidationReply};
use crate::cache_node::Intent;
use crate::handler::only_if_cached;
use crate::handler::pass::{pass, pass_and_learn};
use crate::handler::plan::{CachePlan, Join, L1View};
use crate::reply::{Reply, answer};
use crate::request::Request;

/// How often a request may find that the page it joined is another variant's before it goes by itself.
const ROUNDS: usize = 5;
/// A lane that was free at once was entered within this.
const A_MOMENT: Duration = Duration::from_millis(1);
/// Answers as planned. A request that joined a page which is not for it looks at L1 again.
pub(super) async fn answer(
    cache: &Arc<Cache>,
    ask: SharedAsk,
    request: Box<Request>,
    mut plan: CachePlan,
) -> Reply {
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let CachePlan::Join(join) = plan else { break };
        cache.metrics.l1_misses.inc();
        match rounds.next(cache, &ask, &request, join).await {
            Round::Reply(reply) => return reply.to(request),
            Round::Bypass(reason) => return pass(cache, Box::new(ask.ask), request, Some(reason)).await,
            Round::LookAgain => {}
        }
        plan = L1View { l1: &cache.l1, now: Instant::now() }.plan_for(&ask.policy, &ask.request);
    }
    alone(cache, ask, request, plan, rounds.reason).await
}

/// Answers a request that waits for nobody else's page. `learnt`: why it could use none.
async fn alone(
    cache: &Arc<Cache>,
    ask: SharedAsk,
    request: Box<Request>,
    plan: CachePlan,
    learnt: Option<Reason>,
) -> Reply {
    match plan {
        CachePlan::Hit(page) => answer::hit(&request, &page),
        CachePlan::Stale(page) => {
            fill::refresh(cache, &ask, &page);
            answer::stale(&request, &page, Staleness::Revalidating)
        }
        CachePlan::Standby(page, reason) => answer::stale(&request, &page, Staleness::Failing(reason)),
        CachePlan::Revalidate(page, reason) => validated(cache, ask, request, page, reason).await,
        CachePlan::Bypass(reason) => pass_and_learn(cache, ask, request, reason).await,
        CachePlan::NoStore(reason) => {
            cache.metrics.l1_misses.inc();
            if reason == Reason::MinUses {
                cache.l1.count_use(ask.request.key.as_bytes());
            }
            pass(cache, Box::new(ask.ask), request, Some(reason)).await
        }
        CachePlan::AskNode => {
            cache.metrics.l1_misses.inc();
            only_if_cached::answer(cache, &ask, &request).await
        }
        CachePlan::NothingStored => answer::nothing_stored(),
        CachePlan::Join(_) => {
            pass(cache, Box::new(ask.ask), request, Some(learnt.unwrap_or(Reason::Vary))).await
        }
    }
}

/// What comes of one try to share a page.
enum Round {
    Reply(Reply),
    Bypass(Reason),
    /// Meanwhile L1 may hold the page, or say more of it.
    LookAgain,
}

/// What a request has learnt in its rounds.
#[derive(Default)]
struct Rounds {
    /// The variant that it asks for, if the page it joined told.
    wanted: Option<Vec<u8>>,
    /// Why it goes to the application by itself in the end.
    reason: Option<Reason>,
    /// Its place among those that a hit-for-miss mark lets through.
    lane: Option<Lane>,
}

impl Rounds {
    async fn next(&mut self, cache: &Arc<Cache>, ask: &SharedAsk, request: &Request, join: Join) -> Round {
        // A mark knows more than what those were told who waited.
        let told = self.reason.filter(|_| join.mark.is_none());
        let joined = match self.join(cache, ask, join).await {
            Ok(joined) => joined,
            Err(FlightFallback::LookAgain) => return Round::LookAgain,
            Err(FlightFallback::Bypass(reason)) => return Round::Bypass(told.unwrap_or(reason)),
        };
        match self.take(cache, ask, joined).await {
            FlightResult::Page(served, first, flight) => {
                let patience = if served.body.holds_followers() {
                    cache.patience.of_a_follower(cache.l1.was_stored(ask.request.key.as_bytes()))
                } else {
                    cache.patience.first
                };
                let waits = first.is_some()
                    && served.body.holds_followers()
                    && ask.policy.hides_token(&request.headers);
                let head = if waits { HeadTime::OnceDecided } else { HeadTime::Soon };
                let mut given = within(patience, from_flight(request, &served, first, head)).await;
                // It is searched for what is another's own, and does not end.
                if given.is_err() && !flight.goes_alone(cache.lanes.each()) {
                    given = within(cache.patience.first, from_flight(request, &served, None, head)).await;
                }
                match given {
                    Ok(Ok(Some(reply))) => Round::Reply(reply),
                    // The page turned out to be another's own, or broke off before it began.
                    Ok(Ok(None)) => {
                        self.reason = Some(Reason::UncacheableReply);
                        Round::LookAgain
                    }
                    // Its token is of no use to a visitor whose cookie the application has not seen.
                    Ok(Err(reason)) => self.alone(cache, ask, reason).await,
                    Err(_) => Round::Bypass(Reason::WaitTimeout),
                }
            }
            FlightResult::Own(reply, reason) => {
                Round::Reply(answer::in_part(answer::relayed(*reply, Some(reason)), request))
            }
            FlightResult::Failed(failure) => Round::Reply(answer::failed_fill(&failure)),
            FlightResult::Nothing(FlightFallback::Bypass(reason)) => Round::Bypass(reason),
            FlightResult::Nothing(FlightFallback::LookAgain) => Round::LookAgain,
        }
    }

    /// Joins the fetch of the page that is under way, or begins one.
    async fn join(
        &mut self,
        cache: &Arc<Cache>,
        ask: &SharedAsk,
        join: Join,
    ) -> Result<JoinedFlight, FlightFallback> {
        let Join { variant, mark } = join;
        let (key, client) = (ask.request.key.as_bytes(), ask.ask.client.share_name());
        let at = Instant::now();
        if let Some(mark) = mark {
            if mark.try_again
                && self.reason.is_none()
                && let FlightSeat::First(ticket) = cache.flights.join(key, variant.clone(), &client)
            {
                return Ok(begin(cache, ask, ticket, Intent::Probe));
            }
            if self.lane.is_some() {
                return Err(FlightFallback::Bypass(mark.reason));
            }
            self.lane = cache.lanes.enter(key, cache.patience.follower).await;
            // Meanwhile a reply may have been stored.
            let waited = at.elapsed() > A_MOMENT;
            return Err(if waited && self.lane.is_some() {
                FlightFallback::LookAgain
            } else {
                FlightFallback::Bypass(mark.reason)
            });
        }
        let variant = variant.or_else(|| self.wanted.take());
        match cache.flights.join(key, variant.clone(), &client) {
            FlightSeat::Full => Err(FlightFallback::Bypass(Reason::TooManyWaiters)),
            FlightSeat::Follows(flight) => Ok(JoinedFlight { flight, first: None, variant, at }),
            FlightSeat::First(ticket) => Ok(begin(cache, ask, ticket, Intent::Page)),
        }
    }

    /// Goes to the application by itself, as those do who learn it from a mark.
    async fn alone(&mut self, cache: &Arc<Cache>, ask: &SharedAsk, reason: Reason) -> Round {
        self.enter_lane(cache, ask).await;
        Round::Bypass(reason)
    }

    async fn enter_lane(&mut self, cache: &Arc<Cache>, ask: &SharedAsk) {
        if self.lane.is_none() {
            self.lane = cache.lanes.enter(ask.request.key.as_bytes(), cache.patience.follower).await;
        }
    }

    /// Waits for what comes of the flight, and judges whether this request may have it.
    async fn take(&mut self, cache: &Arc<Cache>, ask: &SharedAsk, joined: JoinedFlight) -> FlightResult {
        let SharedRequest { key, look, outgoing } = &ask.request;
        let JoinedFlight { flight, first, variant, at } = joined;
        let pass = |reason| FlightResult::Nothing(FlightFallback::Bypass(reason));
        let place = if first.is_none() { cache.flights.place() } else { None };
        if first.is_none() && place.is_none() {
            return pass(Reason::TooManyWaiters);
        }
        let patience = match first {
            Some(_) => cache.patience.first.max(ask.ask.timeout + cache.patience.follower),
            None => cache.patience.of_a_follower(cache.l1.was_stored(key.as_bytes())),
        };
        let mut outcome = flight.outcome(patience).await;
        if outcome.is_none() && first.is_none() && !flight.goes_alone(cache.lanes.each()) {
            outcome = flight.outcome(cache.patience.first).await;
        }
        drop(place);
        let outcome = match first.as_ref().and_then(FirstSeat::take_reply) {
            // The application saw all that this visitor sent.
            Some((reply, reason)) if !look.asks_again(reply.manner()) => {
                return FlightResult::Own(reply, reason);
            }
            // It did not, and this visitor is asked for again. A stale page is for those who asked besides.
            Some((_, reason)) => Some(flights::Outcome::Pass(reason)),
            None => outcome,
        };
        let served = match outcome {
            Some(flights::Outcome::Page(served)) => served,
            Some(flights::Outcome::Pass(reason)) if ask.policy.hit_for_miss.is_zero() => return pass(reason),
            // The reply was made without what this visitor sent, or the node has a mark already.
            Some(flights::Outcome::Pass(reason)) if first.is_some() => {
                self.enter_lane(cache, ask).await;
                return pass(reason);
            }
            Some(flights::Outcome::Pass(reason)) => {
                // Now there may be a mark, and so there is a bound for how many go at once.
                self.reason = Some(reason);
                return FlightResult::Nothing(FlightFallback::LookAgain);
            }
            Some(flights::Outcome::Failed(failure)) if is_anothers(&failure, &flight, ask) => {
                return FlightResult::Nothing(FlightFallback::LookAgain);
            }
            Some(flights::Outcome::Failed(failure)) => return FlightResult::Failed(failure),
            None => return pass(Reason::WaitTimeout),
        };
        if !look.may_use(&served.head.lifetime) {
            return pass(Reason::NotShared);
        }
        if at > served.head.grant.at && served.head.reach(key.as_bytes(), at) != Reach::Untouched {
            // A purge came since, perhaps before this request did: it takes no page from before, and nobody
            // else does. Out of touch it takes a page that could be used when it joined, however long that
            // took: each would ask otherwise.
            cache.flights.part_with(key.as_bytes(), variant.clone(), &flight);
            if first.is_none() {
                return FlightResult::Nothing(FlightFallback::LookAgain);
            }
        }
        if first.is_none() && served.head.lifetime.validate {
            // Each asks for itself, all at once.
            return pass(Reason::NoCache);
        }
        if served.was_stored() && !wanted_as_it_is(look, &served.head) {
            return pass(Reason::RequestDirective);
        }
        if first.is_none() && served.is_over_for(at) {
            // It still arrives, and could not be used any more if it were stored.
            cache.flights.part_with(key.as_bytes(), variant, &flight);
            return FlightResult::Nothing(FlightFallback::LookAgain);
        }
        let mine = vary::selected(&served.head.lifetime.vary, &outgoing.headers);
        if first.is_none() && mine != served.selected {
            // The page is another variant's: look again, now that the rule is known.
            self.wanted = Some(mine);
            return FlightResult::Nothing(FlightFallback::LookAgain);
        }
        FlightResult::Page(served, first, flight)
    }
}

/// Whether the flight failed because another client than this one has used up its part.
fn is_anothers(failure: &Failure, flight: &Flight, ask: &SharedAsk) -> bool {
    failure.is_the_clients && !flight.joiners.is_first(&ask.ask.client.share_name())
}

/// What a request does that gets no page from a flight.
enum FlightFallback {
    LookAgain,
    Bypass(Reason),
}

/// A flight that the request has begun, or follows.
struct JoinedFlight {
    flight: Arc<Flight>,
    first: Option<FirstSeat>,
    variant: Option<Vec<u8>>,
    at: Instant,
}

/// What a flight gave to the request.
enum FlightResult {
    Page(Arc<ServedPage>, Option<FirstSeat>, Arc<Flight>),
    /// The reply that is this request's own.
    Own(Box<OriginReply>, Reason),
    Failed(Failure),
    Nothing(FlightFallback),
}

fn begin(cache: &Arc<Cache>, ask: &SharedAsk, ticket: Ticket, intent: Intent) -> JoinedFlight {
    let flight = ticket.flight.clone();
    let first = Some(flight.first_waits());
    let variant = ticket.variant().map(<[u8]>::to_vec);
    Fill::begin(cache, ticket, ask.clone(), intent);
    JoinedFlight { flight, first, variant, at: Instant::now() }
}

/// Whether the page, made for others, is new enough for what this request says.
fn wanted_as_it_is(look: &RequestSummary, page: &PageHead) -> bool {
    let now = Instant::now();
    look.wants.use_at(&page.lifetime, page.age(now)) == page.use_at(now)
}

/// A stored page that this request may have only if it still holds: it asks for itself, and waits for no
/// other.
async fn validated(
    cache: &Arc<Cache>,
    ask: SharedAsk,
    request: Box<Request>,
    page: Arc<Page>,
    reason: Reason,
) -> Reply {
    let key = ask.request.key.as_bytes();
    let grant = cache.log.alone(Instant::now());
    let answered = validate::ask(cache, &ask, std::slice::from_ref(&page), &grant, None).await;
    match answered {
        Ok(ValidationReply::Holds(page)) => {
            cache.l1.insert(key, &ask.request.outgoing.headers, page.clone());
            return answer::validated(&request, &page, reason);
        }
        Ok(ValidationReply::Reply(reply))
            if http_cache::fails_refresh(reply.status) && may_stand_in(&page) =>
        {
            return answer::stale(&request, &page, Staleness::Failing(Reason::OriginFailed));
        }
        Err(failure) => {
            cache.application.log_failure(&request.target, &failure);
            if may_stand_in(&page) {
                return answer::stale(&request, &page, Staleness::Failing(Reason::OriginFailed));
            }
            return answer::failed(&failure, Some(reason));
        }
        Ok(_) if reason == Reason::NoCache => cache.l1.forget(key),
        Ok(_) => {}
    }
    match answered {
        Ok(ValidationReply::Reply(reply)) if !ask.request.look.asks_again(reply.manner()) => {
            answer::relayed(*reply, Some(reason)).to(request)
        }
        _ => pass(cache, Box::new(ask.ask), request, Some(reason)).await,
    }
}

fn may_stand_in(page: &Page) -> bool {
    page.head.use_at(Instant::now()).on_error()
}

#[cfg(test)]
mod tests;
