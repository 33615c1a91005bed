//! The fast path: a GET or HEAD that a fresh L1 page or a file in memory answers at once. It takes no global
//! lock, copies no body, and waits for nothing. All other requests go through the handler, and get the same
//! bytes.

use std::sync::Arc;
use std::time::Instant;

use http::header::{ACCEPT_LANGUAGE, LOCATION, REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_cache::{ClientAddress, Policy, Reason, RequestSummary, TargetUri, vary};
use http1::head::{Head, KnownField, KnownFields, Scheme};
use process::telemetry;
use process::trace::TraceContext;

use crate::Edge;
use crate::cache::page::Page;
use crate::handler::plan::{self, CachePlan, CacheUse, L1View, Plan, RequestView};
use crate::handler::static_file;
use crate::handler::through::PlaceOfRequest;
use crate::log::facts::HitRecord;
use crate::metrics::CacheResult;
use crate::reply::{Reply, answer, coding};
use crate::request::path::NormalPath;
use crate::request::{Via, forwarded, path};
use crate::route::pool_path::PoolPath;
use crate::route::{Location, RouteMatch, Sites};
use crate::settings::TrustedProxies;
use crate::settings::expires::Expires;

/// Fields that exclude a request from the fast path.
const NOT_PLAIN: KnownFields =
    KnownFields::of(&[KnownField::Authorization, KnownField::Expect, KnownField::Upgrade]);
/// Fields that decide which part of a page or file is sent, or that nothing of it is.
pub(crate) const CONDITIONAL: &[KnownField] = &[
    KnownField::IfMatch,
    KnownField::IfModifiedSince,
    KnownField::IfNoneMatch,
    KnownField::IfRange,
    KnownField::IfUnmodifiedSince,
    KnownField::Range,
];
/// Fields in which a trusted proxy describes the client.
const FORWARDING: KnownFields =
    KnownFields::of(&[KnownField::Forwarded, KnownField::XForwarded, KnownField::XRealIp]);

/// What answers the request, and what the log needs to know about it.
pub(crate) struct PlainHit<'a> {
    pub(crate) found: PlainAnswer,
    pub(crate) record: HitRecord<'a>,
    pub(crate) https: bool,
}

/// A file in memory that is still valid.
pub(crate) enum PlainAnswer {
    Page(Arc<Page>),
    File(Reply),
}

/// How a request goes on.
pub(crate) enum PlainWay<'a> {
    /// Memory answers it.
    Hit(PlainHit<'a>),
    /// It is plain, and its place has no cache.
    Through(PlaceOfRequest<'a>),
}

/// Finds what answers it; `key` is a buffer that is used again and again. `None`: the request is not plain,
/// or no fresh page answers it.
pub(crate) fn find<'a>(
    edge: &Edge,
    sites: &'a Sites,
    head: &Head<'_>,
    via: &Via,
    key: &mut Vec<u8>,
) -> Option<PlainWay<'a>> {
    let started = Instant::now();
    if !is_plain_head(edge, head, via) {
        return None;
    }
    let path = path::normalise(head.target.path().as_bytes()).ok()?;
    let host = head.host.map_or("", |host| host.as_str());
    let chosen = sites.choose(via.listener, host).choose(&path);
    if let RouteMatch::Location(site, location) = chosen
        && location.pool.is_some()
        && location.cache.is_none()
    {
        return Some(PlainWay::Through(PlaceOfRequest { site, location, started }));
    }
    if !is_plain_at(&chosen, head) {
        return None;
    }
    if let RouteMatch::Location(_, location) = &chosen
        && !location.answers_at_once(via.peer.ip())
    {
        return None;
    }
    let at_pool = match &chosen {
        RouteMatch::Location(_, location) => location.pool_path.as_ref().map(|at_pool| (at_pool, &path)),
        RouteMatch::AddSlash(_) => None,
    };
    let mut request = PlainRequest { head, method: method(head), scheme: via.scheme, host, key, at_pool };
    let in_l1 = L1View { l1: &edge.cache.l1, now: started };
    let https = via.scheme == Scheme::Https;
    match plan::decide(chosen, &mut request, in_l1) {
        Plan::File(location) => {
            let reply = static_file::from_memory(edge, location, &request.method, &fields(head), &path)?;
            let reply = match &location.compress {
                Some(rule) => coding::from_memory(rule, head, reply)?,
                None => reply,
            };
            let record = HitRecord { location, result: CacheResult::File, started };
            Some(PlainWay::Hit(PlainHit { found: PlainAnswer::File(reply), record, https }))
        }
        Plan::Application { location, cache: CacheUse::Shared(_, look, CachePlan::Hit(page)), .. } => {
            // The parameters that the key ignores may have to be added to where it leads.
            let is_led_on = look.trimmed && page.head.status.is_redirection();
            // So may what the application says of itself.
            let is_rewritten = location.reply_rewrite.is_some()
                && [LOCATION, REFRESH, SET_COOKIE].iter().any(|name| page.headers.contains_key(name));
            if is_led_on || is_rewritten || location.intercepts(page.head.status) || page.holes.is_some() {
                return None;
            }
            let page = match &location.compress {
                Some(rule) => coding::variant(rule, head, &page)?,
                None => page,
            };
            let record = HitRecord { location, result: CacheResult::Hit, started };
            Some(PlainWay::Hit(PlainHit { found: PlainAnswer::Page(page), record, https }))
        }
        _ => None,
    }
}

/// A GET or HEAD without a body, whose sender speaks of itself and is not traced.
fn is_plain_head(edge: &Edge, head: &Head<'_>, via: &Via) -> bool {
    via.refused.is_none()
        && !head.has_body()
        && !head.seen.any(NOT_PLAIN)
        && matches!(head.method, "GET" | "HEAD")
        && head.target.scheme().is_none()
        && head.target.is_encoded()
        && !(forwarded::trusts(&edge.settings.trusted_proxies, via.peer)
            && speaks_of_another(head, edge.settings.trusted()))
        && !(telemetry::exporting() && is_sampled(head))
}

/// A GET or HEAD without a body, none of whose fields tells more than the key needs.
struct PlainRequest<'a, 'b> {
    head: &'a Head<'b>,
    method: Method,
    scheme: Scheme,
    host: &'a str,
    key: &'a mut Vec<u8>,
    /// What the application knows the path by, which then is a part of the key.
    at_pool: Option<(&'a PoolPath, &'a NormalPath<'a>)>,
}

impl RequestView for PlainRequest<'_, '_> {
    type SharedForm = RequestSummary;

    fn method(&self) -> &Method {
        &self.method
    }

    fn is_internal(&self) -> bool {
        false
    }

    fn is_upgrade(&self) -> bool {
        false
    }

    fn body(&self) -> Option<u64> {
        Some(0)
    }

    /// Decides as [`Policy::look`] does where [`is_plain_at`] says that there is no more to see.
    fn share(&mut self, policy: &Policy) -> Result<RequestSummary, Reason> {
        if !policy.methods.contains(&self.method) {
            return Err(Reason::Method);
        }
        self.key.clear();
        let target = &self.head.target;
        let (path, query) = (target.path().as_bytes(), target.query().map(str::as_bytes));
        let cookies = self.head.fields.values(KnownField::Cookie);
        let target = TargetUri { scheme: self.scheme.as_str(), authority: self.host, path, query };
        let mut keyed = policy.key(target, cookies, self.key)?;
        if let Some((at_pool, path)) = self.at_pool {
            keyed.trimmed |= self.push_pool_path(policy, at_pool, path)?;
        }
        Ok(RequestSummary { personal: keyed.personal, trimmed: keyed.trimmed, ..RequestSummary::default() })
    }

    fn stored(&self, policy: &Policy, look: &mut RequestSummary, in_l1: L1View<'_>) -> CachePlan {
        let selected = |names: &[HeaderName]| {
            let mut fields = policy.selecting(names, self.head.fields.iter());
            if policy.learn_languages
                && let Some(language) = in_l1.l1.language(self.key, &fields)
            {
                fields.insert(ACCEPT_LANGUAGE, language);
            }
            vary::selected(names, &fields)
        };
        in_l1.plan(policy, self.key, look, selected)
    }
}

impl PlainRequest<'_, '_> {
    /// Adds to the key what the application is asked for, as the handler does. Returns whether parameters
    /// were left out.
    fn push_pool_path(
        &mut self,
        policy: &Policy,
        at_pool: &PoolPath,
        path: &NormalPath<'_>,
    ) -> Result<bool, Reason> {
        if at_pool.leaves(self.head.target.path(), path) {
            return Ok(false);
        }
        let replaced = at_pool.replace(path).ok_or(Reason::Target)?;
        let query = self.head.target.query();
        let target = path::target(&replaced, query.map(str::as_bytes));
        if target == self.head.target.as_str() {
            return Ok(false);
        }
        let cookies = self.head.fields.values(KnownField::Cookie);
        let (path, query) = path::split(&target);
        let (path, query) = (path.as_bytes(), query.map(str::as_bytes));
        let target = TargetUri { scheme: self.scheme.as_str(), authority: self.host, path, query };
        let mut asked = Vec::new();
        let keyed = policy.key(target, cookies, &mut asked)?;
        plan::push_rewritten(self.key, &asked)?;
        Ok(keyed.trimmed)
    }
}

impl PlainAnswer {
    /// Makes a reply equal to the handler's.
    pub(crate) fn reply(self, edge: &Edge, head: &Head<'_>, (location, https): (&Location, bool)) -> Reply {
        let mut reply = match self {
            Self::Page(page) => answer::hit_under(&method(head), &fields(head), &page),
            Self::File(reply) => reply,
        };
        if let Some(fields) = &location.reply_fields {
            fields.apply(reply.status, &mut reply.headers, None, https);
        }
        if edge.settings.nginx_cache_status { reply.in_nginx_words() } else { reply }
    }
}

/// It says who asks, or what for, on behalf of its sender.
fn speaks_of_another(head: &Head<'_>, trusted: TrustedProxies<'_>) -> bool {
    let speaks = |name| forwarded::is_forwarding(name) || trusted.is_field(name);
    head.seen.any(FORWARDING) || head.fields.iter().any(|(name, _)| speaks(name))
}

fn method(head: &Head<'_>) -> Method {
    if head.method == "HEAD" { Method::HEAD } else { Method::GET }
}

/// The request's fields that decide how much of a page or file is sent, and in which coding.
fn fields(head: &Head<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let names = [KnownField::AcceptEncoding].iter().chain(CONDITIONAL).copied();
    for known in names.filter(|known| head.seen.has(*known)) {
        let Some(name) = known.name() else { continue };
        for value in head.fields.values(known).filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            fields.append(&name, value);
        }
    }
    fields
}

/// No setting of the location looks at more of a request than the key and the names that are known here.
fn is_plain_at(chosen: &RouteMatch<'_>, head: &Head<'_>) -> bool {
    let RouteMatch::Location(_, location) = chosen else { return false };
    if location.needs_whole_request() || !location.is_direct {
        return false;
    }
    if location.pool.is_none() {
        return true;
    }
    let Some(policy) = &location.cache else { return false };
    location.expires == Expires::Off && is_plain(policy) && !head.seen.has(KnownField::Other)
}

fn is_plain(policy: &Policy) -> bool {
    policy.bypass.0.is_empty()
        && !policy.honour_request
        && policy.fields.is_default()
        && policy.client == ClientAddress::Ignore
}

fn is_sampled(head: &Head<'_>) -> bool {
    let parent = head.fields.values(KnownField::Traceparent).next();
    let parent = parent.and_then(|value| TraceContext::parse(std::str::from_utf8(value).ok()?));
    telemetry::sampler().decide(parent).sampled()
}

#[cfg(test)]
pub(super) mod tests;
