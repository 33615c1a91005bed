//! `explain`: what would happen to one request, step by step, each step with the rule behind it. It acts on
//! the same plan as the handler, asks the application once, and stores and counts nothing.

mod front_door;
mod question;
mod steps;
mod stored;
mod verdict;

use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime};

use http::StatusCode;
use http_cache::{CookieClass, FieldClass, Lifetime, Policy, Reason, ReplyParts, SharedRequest};
use serde::Serialize;

use crate::Edge;
use crate::application::OriginReply;
use crate::application::ask::{Ask, SharedAsk};
use crate::handler::place::path_of;
use crate::handler::plan::{self, CachePlan, CacheUse, Decision, L1View, Plan};
use crate::handler::{self, only_if_cached, purge_method, routing};
use crate::reply::error;
use crate::request::body::RequestBody;
use crate::request::path::split;
use crate::request::{Request, Trail, path};
use crate::route::{Location, RouteMatch, Sites};

pub(crate) use question::ExplainQuestion;
use steps::Steps;

/// The most bytes of a body that are examined, whatever `max_object` allows.
const MAX_BODY: u64 = 16 << 20;

/// What would happen.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    url: String,
    steps: Steps,
    /// What the edge does, in one word: "hit", "stale", "standby", "revalidate", "join", "bypass", "file",
    /// "redirect", "rule", "purge", "refused" or "nothing-stored".
    verdict: &'static str,
    /// Why the cache is bypassed, a page revalidated, or a reply not stored: as in `Cache-Status; detail=`.
    reason: Option<&'static str>,
    /// The status of an answer that the edge makes itself.
    status: Option<u16>,
    /// The result in one sentence.
    conclusion: String,
}

/// What the edge does, and what comes of it, in one sentence.
struct Conclusion {
    decision: Decision,
    text: String,
}

impl Conclusion {
    fn new(decision: Decision, text: impl Into<String>) -> Self {
        Self { decision, text: text.into() }
    }

    /// The edge answers with this status itself.
    fn own(word: &'static str, status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(Decision { word, reason: None, status: Some(status) }, text)
    }

    fn because(mut self, reason: Reason) -> Self {
        self.decision.reason = self.decision.reason.or(Some(reason));
        self
    }
}

/// Follows the way of a request, as the handler does.
pub(crate) async fn explain(edge: &Edge, question: &ExplainQuestion) -> Explanation {
    let mut steps = Steps::default();
    let Conclusion { decision, text } = walk(edge, question, &mut steps).await;
    Explanation {
        url: question.url(),
        steps,
        verdict: decision.word,
        reason: decision.reason.map(Reason::as_str),
        status: decision.status.map(|status| status.as_u16()),
        conclusion: text,
    }
}

async fn walk(edge: &Edge, question: &ExplainQuestion, steps: &mut Steps) -> Conclusion {
    let mut request = match front_door::settle(edge, question) {
        Ok(request) => request,
        Err(refusal) => {
            let text = format!("The request is refused: {refusal}. The answer is {}.", refusal.status());
            return Conclusion::own("refused", refusal.status(), text);
        }
    };
    if let Some(target) = path::without_dots(&request.target) {
        steps.push("path", format!("{target}, without dot segments"), "docs/security.md");
        request.target = target;
    }
    if request.method.as_str() == handler::PURGE {
        return purge(edge, &request);
    }
    if let Err(bad) = path::normalise(split(&request.target).0.as_bytes()) {
        let text = format!("The path is malformed: {bad}. The answer is 400.");
        return Conclusion::own("refused", StatusCode::BAD_REQUEST, text);
    }
    let sites = edge.routes.load_full();
    let (mut request, chosen) = match follow(edge, &sites, Box::new(request), steps).await {
        Ok(placed) => placed,
        Err(status) => return Conclusion::own("rule", status, "A rule of the settings answers."),
    };
    let path = path_of(&request).ok();
    let common_fields = path.and_then(|path| handler::asking::request_fields(&mut request, &path, chosen));
    let in_l1 = L1View { l1: &edge.cache.l1, now: Instant::now() };
    let plan = plan::decide(chosen, &mut &*request, in_l1);
    let decision = plan.decision();
    let location = plan.location().clone();
    place(edge, &location, &request, steps);
    let (ask, cache_use) = match plan {
        Plan::AddSlash(_) => {
            let text =
                "There is a location with a slash at the end of this path: the answer is a redirect to it.";
            return Conclusion::new(decision, text);
        }
        Plan::Internal(_) => {
            steps.push("internal", "only the application itself can send a request here", "setting internal");
            return Conclusion::new(decision, "The answer is 404.");
        }
        Plan::File(_) => {
            steps.push("files", "the location answers from files, or with 404", "setting root, alias");
            return Conclusion::new(decision, "The answer is a file from disk; no page is cached.");
        }
        Plan::BodyTooLarge(_) => {
            let most = format!("the request's body may have {} bytes", location.max_body);
            steps.push("body", most, "setting max_body");
            return Conclusion::new(decision, "The answer is 413.");
        }
        Plan::Application { site, pool, cache, .. } => {
            steps.push("pool", &**pool, "setting pool");
            let ask = handler::asking::ask(&request, site, &location, pool.clone(), String::new());
            (Ask { common_fields, ..ask }, cache)
        }
    };
    if let Some(policy) = &location.cache {
        cookies(policy, &request, steps);
        fields(policy, &request, steps);
    }
    match cache_use {
        CacheUse::Shared(policy, shared, plan) => {
            let ask = SharedAsk { ask, request: *shared, policy: policy.clone(), recorder: None };
            let mut asking = CacheQuestion { edge, request: &request, ask, decision, steps };
            asking.through_cache(plan).await
        }
        CacheUse::Bypass(_) | CacheUse::Change(_) | CacheUse::Head(_) => bypass(decision, steps),
    }
}

fn purge(edge: &Edge, request: &Request) -> Conclusion {
    match purge_method::refusal(edge, request) {
        Some(refused) => Conclusion::own("refused", refused.status, "This client may not send PURGE."),
        None => {
            let decision = Decision { word: "purge", reason: None, status: None };
            Conclusion::new(decision, "The page is purged, in all variants.")
        }
    }
}

fn bypass(decision: Decision, steps: &mut Steps) -> Conclusion {
    let Some(reason) = decision.reason else {
        steps.reason("cache", Reason::Off);
        return Conclusion::new(decision, "Each request goes to the application.");
    };
    steps.reason("request", reason);
    let text = "This request goes straight to the application, and its reply is not stored.";
    Conclusion::new(decision, text)
}

/// A request that may use the cache.
struct CacheQuestion<'a> {
    edge: &'a Edge,
    request: &'a Request,
    ask: SharedAsk,
    decision: Decision,
    steps: &'a mut Steps,
}

impl CacheQuestion<'_> {
    async fn through_cache(&mut self, plan: CachePlan) -> Conclusion {
        let SharedRequest { key, look, outgoing } = &self.ask.request;
        let rule =
            "scheme, host, path and query in their normal form; settings cookies, fields, client_address";
        self.steps.push("key", printable(key.as_bytes()), rule);
        stored::report(&plan, self.steps);
        let own = match plan {
            CachePlan::Bypass(reason @ (Reason::PersonalCookie | Reason::Authorization)) => Some(reason),
            CachePlan::AskNode => return self.ask_node().await,
            CachePlan::NothingStored => return nothing_stored(self.decision),
            _ => None,
        };
        if own.is_none() && look.trimmed {
            let target = String::from_utf8_lossy(&outgoing.target).into_owned();
            self.steps.push(
                "trimmed",
                format!("the application is asked for {target}, without what the key ignores"),
                "settings cookies, ignore_query, allow_query",
            );
        }
        let no_store = match plan {
            CachePlan::NoStore(reason) => Some(reason),
            _ => look.no_store,
        };
        if let Some(reason) = no_store {
            self.steps.reason("request", reason);
        }
        self.ask_application(own, no_store).await
    }

    /// `only-if-cached`: the page may be in the cache-node.
    async fn ask_node(&mut self) -> Conclusion {
        let page = only_if_cached::from_node(&self.edge.cache, &self.ask).await;
        let Some(page) = page else { return nothing_stored(CachePlan::NothingStored.decision()) };
        let plan = only_if_cached::plan(&self.ask.request.look, page, Instant::now());
        let decision = plan.decision();
        match plan {
            CachePlan::NothingStored => nothing_stored(decision),
            _ => {
                stored::report(&plan, self.steps);
                Conclusion::new(decision, "The answer is the page that the cache-node holds.")
            }
        }
    }

    /// `own`: why the request is for one visitor. `no_store`: why its reply is not stored, whatever it says.
    async fn ask_application(&mut self, own: Option<Reason>, no_store: Option<Reason>) -> Conclusion {
        let asked = SystemTime::now();
        let started = Instant::now();
        // The application sees the complete request of a visitor with a session.
        let head = match own {
            Some(_) => self.ask.ask.head("GET", self.request.target.clone().into(), &self.request.headers),
            None => self.ask.head(),
        };
        let reply = match self.edge.application.fetch(|| head.clone(), RequestBody::empty(), None).await {
            Ok(reply) => reply,
            Err(failure) => {
                self.steps.push("application", failure.to_string(), "RFC 5861 section 4");
                let status = error::application(&failure).status;
                let text = format!("The answer is {status}, or a stale page if one may be served.");
                return Conclusion::new(self.decision, text).because(Reason::OriginFailed);
            }
        };
        let took = started.elapsed().as_millis();
        let answered = format!("{} from {} after {took} ms", reply.status, reply.server);
        self.steps.push("application", answered, "asked once for this");
        let judged = self.judge(own, reply, asked).await;
        match (judged, no_store) {
            (Err(reason), _) => {
                let text = verdict::not_stored(&self.ask.policy, reason);
                Conclusion::new(self.decision, text).because(reason)
            }
            (Ok(_), Some(reason)) => {
                let text = format!("It could be stored, but not by this request: {}", reason.sentence());
                Conclusion::new(self.decision, text)
            }
            (Ok(lifetime), None) => Conclusion::new(self.decision, verdict::stored(&lifetime)),
        }
    }

    async fn judge(
        &mut self,
        own: Option<Reason>,
        reply: OriginReply,
        asked: SystemTime,
    ) -> Result<Lifetime, Reason> {
        let look = &self.ask.request.look;
        let parts = ReplyParts {
            status: reply.status,
            headers: &reply.headers,
            authorization: look.authorization,
            personal: own.is_some() && look.personal,
            request_time: asked,
        };
        let lifetime = verdict::of(&self.ask.policy, &parts, self.steps)?;
        verdict::body(&self.ask.policy, &lifetime, reply, self.steps).await?;
        Ok(lifetime)
    }
}

fn nothing_stored(decision: Decision) -> Conclusion {
    Conclusion::new(
        decision,
        "The request wants a stored page or none, and there is none: the answer is 504.",
    )
}

/// Follows the request to its place, and reports what rules do with it.
async fn follow<'a>(
    edge: &Edge,
    sites: &'a Sites,
    mut request: Box<Request>,
    steps: &mut Steps,
) -> Result<(Box<Request>, RouteMatch<'a>), StatusCode> {
    let trail: Arc<Trail> = Arc::default();
    request.trail = Some(trail.clone());
    let placed = routing::follow(edge, sites, request).await;
    for (what, rule) in std::mem::take(&mut *trail.lock().unwrap_or_else(PoisonError::into_inner)) {
        steps.push("rule", what, rule);
    }
    placed
}

/// Reports where the request is answered, and who may have the answer.
fn place(edge: &Edge, location: &Location, request: &Request, steps: &mut Steps) {
    steps.push("site", &*location.site, "setting edge.site.server_name");
    if let [_, _, ..] = edge.settings.listen[..] {
        let listener = edge.settings.listen.get(usize::from(request.listener));
        steps.push("listener", listener.map_or("", |listen| &listen.address), "setting edge.site.listen");
    }
    steps.push("location", location.metrics.location(), "setting edge.site.location.match");
    if !location.limits.is_empty() {
        steps.push("limits", location.limits.describe(), "setting limit_req, limit_conn");
    }
    if let Some(access) = &location.access {
        steps.push("access", access.describe(request.client.address), "setting access, auth_basic");
    }
    if let Some(check) = &location.auth_check {
        let page = String::from_utf8_lossy(check.path.as_bytes()).into_owned();
        steps.push("access", format!("{page} decides (not asked here)"), "setting auth_request");
    }
    if let Some(rule) = &location.compress {
        steps.push("compression", rule.describe(), "setting compress");
    }
}

/// Reports each cookie and its kind.
fn cookies(policy: &Policy, request: &Request, steps: &mut Steps) {
    for line in request.headers.get_all(http::header::COOKIE) {
        for (name, class) in policy.cookies.classes(line.as_bytes()) {
            let class = match class {
                CookieClass::Personal => {
                    "personal: the page is this visitor's own, unless the reply says that it may be shared"
                }
                CookieClass::Split => "splits the page: one for each value",
                CookieClass::Ignore => {
                    "ignored: the application does not see it while it makes a page for all"
                }
            };
            steps.push("cookie", format!("{}: {class}", String::from_utf8_lossy(name)), "setting cookies");
        }
    }
}

/// Reports each field whose kind matters.
fn fields(policy: &Policy, request: &Request, steps: &mut Steps) {
    for name in request.headers.keys().filter(|name| policy.fields.counts(name)) {
        let class = match policy.fields.class(name.as_str().as_bytes()) {
            FieldClass::Personal => "personal, or not known: the request goes straight to the application",
            FieldClass::Split => "splits the page: one for each value",
            FieldClass::Vary => "the application sees it, and names it in Vary if the page depends on it",
            FieldClass::Ignore => "ignored: the application does not see it while it makes a page for all",
        };
        steps.push("field", format!("{name}: {class}"), "setting fields");
    }
}

/// The cookies and fields of a key follow separators that no terminal shows.
fn printable(key: &[u8]) -> String {
    String::from_utf8_lossy(key)
        .replace("\0\u{1}", " + field ")
        .replace("\0\u{2}", " + client ")
        .replace("\0\u{3}", " + listener ")
        .replace("\0\u{4}", " + rewritten to ")
        .replace("\0\u{5}", " + key ")
        .replace("\0\u{6}", " + told ")
        .replace("\0\u{7}", " + location ")
        .replace('\0', " + cookie ")
}
