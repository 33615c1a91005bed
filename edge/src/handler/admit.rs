//! Decides whether a request is answered at all: how many there may be (`limit_conn`, `limit_req`), then who
//! may ask (`access`, `auth_basic`), in nginx's order.

use http::StatusCode;
use http::header::AUTHORIZATION;

use crate::access::Verdict;
use crate::handler::visit::Visit;
use crate::limit::LimitDecision;
use crate::limit::zone::Zone;
use crate::reply::{Reply, error};
use crate::request::Request;
use crate::route::Location;
use crate::variables::RouteFacts;

/// Whose the credentials of an admitted request are.
pub(super) enum Credentials {
    /// They were for this server, and the application does not get them.
    Ours,
    NotOurs,
}

/// `Err`: the answer to a request that is refused.
pub(super) async fn admit(
    location: &Location,
    request: &Request,
    route: RouteFacts<'_>,
    visit: &Visit,
) -> Result<Credentials, Reply> {
    // An internal redirect is a part of a request that was counted.
    if !location.limits.is_empty() && !request.internal {
        match count(location, request, route, visit) {
            LimitDecision::Wait(wait) if !wait.is_zero() => tokio::time::sleep(wait).await,
            LimitDecision::Wait(_) => {}
            LimitDecision::Refused { status, zone } => {
                tracing::debug!(zone = zone.name, "request refused");
                return Err(error::busy(status));
            }
        }
    }
    let Some(access) = &location.access else { return Ok(Credentials::NotOurs) };
    let authorization = request.headers.get(AUTHORIZATION).or(request.credentials.as_ref());
    let by_password = match access.check(request.client.address, authorization).await {
        Verdict::Allowed { by_password } => by_password,
        Verdict::Forbidden => return Err(error::forbidden()),
        Verdict::Unauthorized(challenge) => return Err(error::unauthorized(challenge)),
        Verdict::Unavailable => return Err(error::busy(StatusCode::SERVICE_UNAVAILABLE)),
    };
    let consumed = by_password && access.basic.as_ref().is_some_and(|basic| !basic.pass);
    let is_there = request.headers.contains_key(AUTHORIZATION);
    Ok(if consumed && is_there { Credentials::Ours } else { Credentials::NotOurs })
}

fn count(location: &Location, request: &Request, route: RouteFacts<'_>, visit: &Visit) -> LimitDecision {
    let key = |zone: &Zone| zone.key.value(&request.facts(route)).into_owned();
    match location.limits.enter(key) {
        Ok(places) => visit.hold(places),
        Err(refused) => return refused,
    }
    location.limits.count(key)
}
