//! Decides whether a request is answered at all: how many there may be (`limit_conn`, `limit_req`), then who
//! may ask (`access`, `auth_basic`), in nginx's order.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};

use crate::Edge;
use crate::access::Verdict;
use crate::handler::refusal_log;
use crate::handler::visit::Visit;
use crate::limit::LimitDecision;
use crate::limit::zone::Zone;
use crate::reply::{Reply, error};
use crate::request::Request;
use crate::route::Location;
use crate::variables::{LimitStatus, RouteFacts};

/// Who asks, if it is decided whether they may.
#[derive(Clone, Copy)]
pub(super) struct AdmissionCheck<'a> {
    pub(super) edge: &'a Arc<Edge>,
    pub(super) visit: &'a Visit,
}

/// Whose the credentials of an admitted request are.
pub(super) enum Credentials {
    /// They were for this server, and the application does not get them.
    Ours,
    NotOurs,
}

/// A request that is not refused.
pub(super) struct Admission {
    pub(super) credentials: Credentials,
    /// The page of `auth_request` still decides.
    pub(super) is_asked: bool,
    /// How a client may get in by a password, should that page refuse it.
    pub(super) challenge: Option<HeaderValue>,
    /// What limits have done with it.
    pub(super) limited: LimitStatus,
}

/// A request that is refused.
pub(super) struct AdmissionRefusal {
    /// The answer to it.
    pub(super) reply: Reply,
    /// What limits have done with it.
    pub(super) limited: LimitStatus,
}

/// Decides, by what limits and `access` say.
pub(super) async fn admit(
    location: &Location,
    request: &Request,
    route: RouteFacts<'_>,
    check: AdmissionCheck<'_>,
) -> Result<Admission, AdmissionRefusal> {
    let mut limited = request.limited;
    if !location.limits.is_empty() {
        let decision = count(location, request, route, check, &mut limited).await;
        check.visit.limited(limited);
        match decision {
            LimitDecision::Wait(wait) if !wait.is_zero() => tokio::time::sleep(wait).await,
            LimitDecision::Wait(_) => {}
            LimitDecision::Refused { status, zone, cause, log_level } => {
                refusal_log::write((cause, &zone), log_level, request, location);
                return Err(AdmissionRefusal { reply: error::busy(status), limited });
            }
        }
    }
    // As with nginx, nobody is asked about a method that is refused, and no password counts.
    if !allows(location, &request.method) {
        return Err(AdmissionRefusal { reply: refused_method(location, request), limited });
    }
    match by_access(location, request, route, limited).await {
        Ok(admission) => Ok(admission),
        Err(reply) => Err(AdmissionRefusal { reply, limited }),
    }
}

/// As in nginx, `GET` allows HEAD too.
pub(super) fn allows(location: &Location, method: &Method) -> bool {
    let named = |name: &str| location.methods.iter().any(|known| **known == *name);
    location.methods.is_empty() || named(method.as_str()) || *method == Method::HEAD && named("GET")
}

/// The answer to a method that is not allowed.
pub(super) fn refused_method(location: &Location, request: &Request) -> Reply {
    let what = || format!("a method other than {} is refused with 403", location.methods.join(", "));
    request.note(|| "limit_except".into(), what);
    error::forbidden()
}

/// Decides by `access` and `auth_basic`. `Err`: the answer to a request that is refused.
async fn by_access(
    location: &Location,
    request: &Request,
    route: RouteFacts<'_>,
    limited: LimitStatus,
) -> Result<Admission, Reply> {
    let has_check = location.auth_check.is_some();
    let admission =
        |is_asked, challenge| Admission { credentials: Credentials::NotOurs, is_asked, challenge, limited };
    let Some(access) = &location.access else { return Ok(admission(has_check, None)) };
    let authorization = request.headers.get(AUTHORIZATION).or(request.credentials.as_ref());
    let by_password = match access.check(request.client.address, authorization, &request.facts(route)).await {
        Verdict::Allowed { by_password } => by_password,
        // The page may still allow it.
        Verdict::Forbidden if access.any && has_check => return Ok(admission(true, None)),
        Verdict::Unauthorized(challenge) if access.any && has_check => {
            return Ok(admission(true, Some(challenge)));
        }
        Verdict::Forbidden => return Err(error::forbidden()),
        Verdict::Unauthorized(challenge) => return Err(error::unauthorized(challenge)),
        Verdict::Unavailable => return Err(error::busy(StatusCode::SERVICE_UNAVAILABLE)),
    };
    let consumed = by_password && access.basic.as_ref().is_some_and(|basic| !basic.pass);
    let is_there = request.headers.contains_key(AUTHORIZATION);
    let credentials = if consumed && is_there { Credentials::Ours } else { Credentials::NotOurs };
    let is_enough = access.any && (by_password || access.names(request.client.address));
    Ok(Admission { credentials, ..admission(has_check && !is_enough, None) })
}

/// Counts the request. As in nginx, one that another location has counted and sent here is not counted again.
async fn count(
    location: &Location,
    request: &Request,
    route: RouteFacts<'_>,
    AdmissionCheck { edge, visit }: AdmissionCheck<'_>,
    status: &mut LimitStatus,
) -> LimitDecision {
    let (limits, counter) = (&location.limits, &edge.shared_limits);
    let key = |zone: &Zone| zone.key.value(&request.facts(route)).into_owned();
    if status.connections.is_empty() {
        match limits.enter(&limits.connection_keys(key), counter, &mut status.connections).await {
            Ok(places) => visit.hold(places),
            Err(refused) => return refused,
        }
    }
    if !status.requests.is_empty() {
        return LimitDecision::Wait(Duration::ZERO);
    }
    limits.count(&limits.request_keys(key), counter, &mut status.requests).await
}
