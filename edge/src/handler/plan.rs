//! What becomes of a request at a location: decided once, by its head alone and what L1 holds, without I/O.
//!
//! The fast path, the handler (for HTTP/1 and HTTP/2 alike) and `explain` act on the same value, so none of
//! them can decide otherwise. Nothing is counted or changed here.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderName, Method, StatusCode};
use http_cache::{Key, Policy, Reason, RequestParts, RequestSummary, SharedRequest, key, vary};

use crate::cache::l1::{L1, L1Lookup, PassMark};
use crate::cache::page::Page;
use crate::request::cache_terms::extended;
use crate::request::{Entry, Request};
use crate::route::{Location, RouteMatch, Site};

/// What becomes of a request. `S` is what a page to be shared is asked for with.
pub(crate) enum Plan<'a, S> {
    /// The path lacks the slash at its end: a redirect to it.
    AddSlash(&'a Arc<Location>),
    /// Only the application can send a request here: 404.
    Internal(&'a Arc<Location>),
    /// A file, or the answer that there is none.
    File(&'a Arc<Location>),
    /// The request declares a body that is longer than `max_body`: 413.
    BodyTooLarge(&'a Arc<Location>),
    /// The application answers, or the cache before it.
    Application { site: &'a Site, location: &'a Arc<Location>, pool: &'a Arc<str>, cache: CacheUse<'a, S> },
}

/// What part the cache has in the answer.
pub(crate) enum CacheUse<'a, S> {
    /// The request may change something: what the reply makes invalid is purged. `None`: the location has no
    /// cache.
    Change(Option<Reason>),
    /// The request goes to the application, and its reply is for this visitor alone. `None`: the location has
    /// no cache, or the request switches protocols.
    Bypass(Option<Reason>),
    /// A HEAD that the location does not cache: the answer may say something about the stored page.
    Head(&'a Arc<Policy>),
    /// The request may use the cache.
    Shared(&'a Arc<Policy>, S, CachePlan),
}

/// What becomes of a request that may use the cache.
#[derive(Clone)]
pub(crate) enum CachePlan {
    /// A stored page within its lifetime.
    Hit(Arc<Page>),
    /// A stored page past it, which one request refreshes.
    Stale(Arc<Page>),
    /// A stored page that is good for when the application fails; a short time ago it did.
    Standby(Arc<Page>, Reason),
    /// A stored page that may be used only if the application says that it is still valid.
    Revalidate(Arc<Page>, Reason),
    /// The request goes to the application, for this visitor alone.
    Bypass(Reason),
    /// Nothing usable is stored, and the reply to this request is not to be stored either.
    NoStore(Reason),
    /// `only-if-cached`, and L1 has nothing: the cache-node's page, or 504.
    AskNode,
    /// `only-if-cached`, and there is no page: 504.
    NothingStored,
    /// Begins a fetch of the page, or joins one.
    Join(Join),
}

/// Which fetch a request joins.
#[derive(Clone)]
pub(crate) struct Join {
    /// `None`: it is not known which fields select variants of the page.
    pub(crate) variant: Option<Vec<u8>>,
    /// The last reply could not be stored: unless this request tries that again, it bypasses the cache.
    pub(crate) mark: Option<PassMark>,
}

/// A plan in one word, for people and programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) word: &'static str,
    /// Why the cache is bypassed, a page revalidated or not stored.
    pub(crate) reason: Option<Reason>,
    /// The status of an answer that the edge makes itself.
    pub(crate) status: Option<StatusCode>,
}

/// A request as the plan sees it: its head.
pub(crate) trait RequestView {
    /// What a page to be shared is asked for with.
    type SharedForm;

    fn method(&self) -> &Method;
    /// The application has sent the request here.
    fn is_internal(&self) -> bool;
    /// The client wants to switch protocols.
    fn is_upgrade(&self) -> bool;
    /// The declared length of the body; `None`: it is chunked.
    fn body(&self) -> Option<u64>;
    /// Makes the cache key. An error is the reason to bypass the cache.
    fn share(&mut self, policy: &Policy) -> Result<Self::SharedForm, Reason>;
    /// What L1 holds for the request.
    fn stored(&self, policy: &Policy, shared: &mut Self::SharedForm, in_l1: L1View<'_>) -> CachePlan;
}

/// L1 at one moment.
#[derive(Clone, Copy)]
pub(crate) struct L1View<'a> {
    pub(crate) l1: &'a L1,
    pub(crate) now: Instant,
}

/// Decides. `chosen` is the place of the request's path.
#[inline]
pub(crate) fn decide<'a, R: RequestView>(
    chosen: RouteMatch<'a>,
    request: &mut R,
    in_l1: L1View<'_>,
) -> Plan<'a, R::SharedForm> {
    let (site, location) = match chosen {
        RouteMatch::Location(site, location) => (site, location),
        RouteMatch::AddSlash(location) => return Plan::AddSlash(location),
    };
    if location.internal && !request.is_internal() {
        return Plan::Internal(location);
    }
    let Some(pool) = &location.pool else { return Plan::File(location) };
    if !request.is_upgrade() && request.body().is_some_and(|length| length > location.max_body) {
        return Plan::BodyTooLarge(location);
    }
    Plan::Application { site, location, pool, cache: cache_use(location, request, in_l1) }
}

#[inline]
fn cache_use<'a, R: RequestView>(
    location: &'a Location,
    request: &mut R,
    in_l1: L1View<'_>,
) -> CacheUse<'a, R::SharedForm> {
    let policy = location.cache.as_ref();
    let has_body = request.body() != Some(0);
    if !request.method().is_safe() {
        let reason = if has_body { Reason::RequestBody } else { Reason::Method };
        return CacheUse::Change(policy.map(|_| reason));
    }
    let Some(policy) = policy.filter(|_| !request.is_upgrade()) else { return CacheUse::Bypass(None) };
    if has_body {
        // A body is not part of the key.
        return CacheUse::Bypass(Some(Reason::RequestBody));
    }
    match request.share(policy) {
        Ok(mut shared) => {
            let plan = request.stored(policy, &mut shared, in_l1);
            CacheUse::Shared(policy, shared, plan)
        }
        Err(Reason::Method) if *request.method() == Method::HEAD => CacheUse::Head(policy),
        Err(reason) => CacheUse::Bypass(Some(reason)),
    }
}

impl<S> Plan<'_, S> {
    pub(crate) fn location(&self) -> &Arc<Location> {
        match self {
            Self::AddSlash(location)
            | Self::Internal(location)
            | Self::File(location)
            | Self::BodyTooLarge(location)
            | Self::Application { location, .. } => location,
        }
    }

    pub(crate) fn decision(&self) -> Decision {
        let (word, status) = match self {
            Self::AddSlash(_) => ("redirect", Some(StatusCode::MOVED_PERMANENTLY)),
            Self::Internal(_) => ("refused", Some(StatusCode::NOT_FOUND)),
            Self::File(_) => ("file", None),
            Self::BodyTooLarge(_) => ("refused", Some(StatusCode::PAYLOAD_TOO_LARGE)),
            Self::Application { cache, .. } => return cache.decision(),
        };
        Decision { word, reason: None, status }
    }
}

impl<S> CacheUse<'_, S> {
    fn decision(&self) -> Decision {
        let reason = match self {
            Self::Change(reason) | Self::Bypass(reason) => *reason,
            Self::Head(_) => Some(Reason::Method),
            Self::Shared(_, _, plan) => return plan.decision(),
        };
        Decision { word: "bypass", reason, status: None }
    }
}

impl CachePlan {
    pub(crate) fn decision(&self) -> Decision {
        let (word, reason) = match self {
            Self::Hit(_) => ("hit", None),
            Self::Stale(_) => ("stale", None),
            Self::Standby(_, reason) => ("standby", Some(*reason)),
            Self::Revalidate(_, reason) => ("revalidate", Some(*reason)),
            Self::Bypass(reason) | Self::NoStore(reason) => ("bypass", Some(*reason)),
            Self::AskNode => ("ask-node", Some(Reason::OnlyIfCached)),
            Self::NothingStored => ("nothing-stored", Some(Reason::OnlyIfCached)),
            Self::Join(Join { mark: Some(mark), .. }) if !mark.try_again => ("bypass", Some(mark.reason)),
            Self::Join(_) => ("join", None),
        };
        let status = matches!(self, Self::NothingStored).then_some(StatusCode::GATEWAY_TIMEOUT);
        Decision { word, reason, status }
    }
}

impl L1View<'_> {
    /// The plan for a key. `selected` makes the fingerprint of the request's fields that Vary names.
    #[inline]
    pub(crate) fn plan(
        self,
        policy: &Policy,
        key: &[u8],
        look: &RequestSummary,
        selected: impl Fn(&[HeaderName]) -> Vec<u8>,
    ) -> CachePlan {
        let found = self.l1.find(key, look, self.now, selected);
        let is_seldom_used = || policy.min_uses > 1 && self.l1.uses(key).saturating_add(1) < policy.min_uses;
        by_what_is_stored(found, look, is_seldom_used)
    }

    /// The plan for a request whose key is known. From now on it asks for the page in the language that the
    /// page has for this visitor, if that is known. A page that was made for just these languages before is
    /// used, if there is one and none in that language.
    fn plan_in_language(self, policy: &Policy, request: &mut SharedRequest) -> CachePlan {
        let key = request.key.as_bytes();
        let language = policy.learn_languages.then(|| self.l1.language(key, &request.outgoing.headers));
        let Some(language) = language.flatten() else { return self.plan_for(policy, request) };
        request.outgoing.in_language(language);
        let plan = self.plan_for(policy, request);
        let is_missing = matches!(
            plan,
            CachePlan::Join(Join { mark: None, .. }) | CachePlan::NoStore(_) | CachePlan::AskNode
        );
        let Some(sent) = request.outgoing.as_sent().filter(|_| is_missing) else { return plan };
        let SharedRequest { key, look, .. } = &*request;
        match self.plan(policy, key.as_bytes(), look, |names| vary::selected(names, &sent)) {
            as_sent @ (CachePlan::Hit(_) | CachePlan::Stale(_)) => as_sent,
            _ => plan,
        }
    }

    /// The plan for a request whose key is known.
    pub(crate) fn plan_for(self, policy: &Policy, request: &SharedRequest) -> CachePlan {
        let SharedRequest { key, look, outgoing } = request;
        self.plan(policy, key.as_bytes(), look, |names| vary::selected(names, &outgoing.headers))
    }
}

#[inline]
fn by_what_is_stored(
    found: L1Lookup,
    look: &RequestSummary,
    is_seldom_used: impl FnOnce() -> bool,
) -> CachePlan {
    let only_if_cached = look.wants.only_if_cached;
    let (variant, mark) = match found {
        L1Lookup::Fresh(page) => return CachePlan::Hit(page),
        L1Lookup::Stale(page) => return CachePlan::Stale(page),
        L1Lookup::Validate(..) | L1Lookup::Pass(_) | L1Lookup::Marked(_) if only_if_cached => {
            return CachePlan::NothingStored;
        }
        L1Lookup::Standby(page, reason) => return CachePlan::Standby(page, reason),
        L1Lookup::Validate(page, reason) => return CachePlan::Revalidate(page, reason),
        L1Lookup::Pass(reason) => return CachePlan::Bypass(reason),
        // A request whose reply could be stored after all tries that; one that would have to be sent twice,
        // were the reply like the last one, does so seldom.
        L1Lookup::Marked(mark) => (
            mark.variant.clone(),
            Some(PassMark { try_again: mark.try_again || !look.asks_again(mark.manner), ..mark }),
        ),
        L1Lookup::Miss { variant } => (variant, None),
    };
    if only_if_cached {
        return CachePlan::AskNode;
    }
    if is_seldom_used() {
        return CachePlan::NoStore(Reason::MinUses);
    }
    match look.no_store {
        Some(reason) => CachePlan::NoStore(reason),
        None => CachePlan::Join(Join { variant, mark }),
    }
}

/// The longest key of a request that rules have rewritten; longer ones bypass the cache.
const MAX_REWRITTEN_KEY: usize = 8192;

/// What the client asked for stays in front of the key, where a purge finds it. What rules made of it may
/// depend on more than that, so it follows, behind a byte that nothing else in a key begins with.
pub(super) fn push_rewritten(key: &mut Vec<u8>, target: &[u8]) -> Result<(), Reason> {
    key.extend_from_slice(b"\0\x04");
    key.extend_from_slice(key::url(target));
    if key.len() > MAX_REWRITTEN_KEY { Err(Reason::Target) } else { Ok(()) }
}

fn rewritten(asked: SharedRequest, target: SharedRequest) -> Result<SharedRequest, Reason> {
    let mut key = asked.key.as_bytes().to_vec();
    push_rewritten(&mut key, target.key.as_bytes())?;
    let mut shared = SharedRequest { key: Key::new(key), ..target };
    shared.look.trimmed |= asked.look.trimmed;
    shared.outgoing.request_uri = Some(asked.outgoing.target);
    Ok(shared)
}

/// The request as the cache takes it, were it by this method.
pub(super) fn shared_by(
    request: &Request,
    policy: &Policy,
    method: &Method,
) -> Result<SharedRequest, Reason> {
    if request.for_one {
        return Err(Reason::AuthRequest);
    }
    let shared = policy.request(&RequestParts { method, ..request.parts() })?;
    let shared = match request.rewritten_parts() {
        None => shared,
        Some(parts) => rewritten(shared, policy.request(&RequestParts { method, ..parts })?)?,
    };
    // Who is led to a location by its name may get another page than those who come by the path.
    let shared = match &request.entry {
        Entry::Named(name) => extended(shared, &[b"\0\x07", name.as_bytes()])?,
        Entry::Site | Entry::Location => shared,
    };
    match &request.cache_terms {
        None => Ok(shared),
        Some(terms) => terms.on(shared),
    }
}

impl RequestView for &Request {
    type SharedForm = Box<SharedRequest>;

    fn method(&self) -> &Method {
        &self.method
    }

    fn is_internal(&self) -> bool {
        self.is_sent_on()
    }

    fn is_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    fn body(&self) -> Option<u64> {
        self.body.length()
    }

    fn share(&mut self, policy: &Policy) -> Result<Self::SharedForm, Reason> {
        shared_by(self, policy, &self.method).map(Box::new)
    }

    fn stored(&self, policy: &Policy, shared: &mut Self::SharedForm, in_l1: L1View<'_>) -> CachePlan {
        in_l1.plan_in_language(policy, shared)
    }
}

#[cfg(test)]
mod tests;
