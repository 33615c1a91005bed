//! `explain`: what would happen to one request, step by step, each step with the rule behind it. It asks the
//! application once and stores nothing.

mod front_door;
mod question;
mod verdict;

use std::time::{Duration, Instant, SystemTime};

use http::{Method, Version};
use http_cache::{
    CookieClass, FieldClass, Look, Policy, Reason, ReplyParts, RequestParts, SharedRequest, vary,
};
use serde::Serialize;

use crate::Edge;
use crate::application::OriginReply;
use crate::application::ask::{Ask, SharedAsk};
use crate::cache::l1::Found;
use crate::cache::page::Page;
use crate::reply::error;
use crate::request::body::RequestBody;
use crate::request::path::split;
use crate::request::{Request, path};
use crate::route::{Chosen, Location, Site};

pub(crate) use question::Question;

/// The most bytes of a body that are examined, whatever `max_object` allows.
const MAX_BODY: u64 = 16 << 20;

/// What would happen.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    url: String,
    steps: Vec<Step>,
    /// The result in one sentence.
    conclusion: String,
}

#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    found: String,
    /// The RFC section, or the setting, behind it.
    rule: String,
}

#[derive(Debug, Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn push(&mut self, step: &'static str, found: impl Into<String>, rule: impl Into<String>) {
        self.0.push(Step { step, found: found.into(), rule: rule.into() });
    }

    fn reason(&mut self, step: &'static str, reason: Reason) {
        self.push(step, format!("{} ({})", reason.sentence(), reason.as_str()), reason.rule());
    }
}

/// Follows the way of a GET, as the handler does.
pub(crate) async fn explain(edge: &Edge, question: &Question) -> Explanation {
    let mut steps = Steps::default();
    let conclusion = walk(edge, question, &mut steps).await;
    Explanation { url: question.url(), steps: steps.0, conclusion }
}

async fn walk(edge: &Edge, question: &Question, steps: &mut Steps) -> String {
    let request = match front_door::settle(edge, question) {
        Ok(mut request) => {
            if let Some(target) = path::without_dots(&request.target) {
                steps.push("path", format!("{target}, without dot segments"), "docs/security.md");
                request.target = target;
            }
            request
        }
        Err(refusal) => {
            return format!("The request is refused: {refusal}. The answer is {}.", refusal.status());
        }
    };
    let request = &request;
    let (raw_path, query) = split(&request.target);
    let path = match path::normalise(raw_path.as_bytes()) {
        Ok(path) => path,
        Err(bad) => return format!("The path is malformed: {bad}. The answer is 400."),
    };
    let sites = edge.routes.load_full();
    let chosen = sites.choose(&request.authority).choose(&path);
    let (site, location) = match chosen {
        Chosen::Location(site, location) => (site, location),
        Chosen::AddSlash(_) => {
            return "There is a location with a slash at the end of this path: the answer is a redirect to it.".into();
        }
    };
    steps.push("site", &*site.name, "setting edge.site.server_name");
    steps.push("location", location.metrics.location(), "setting edge.site.location.match");
    if location.internal {
        steps.push("internal", "only the application itself can send a request here", "setting internal");
        return "The answer is 404.".into();
    }
    let Some(pool) = &location.pool else {
        steps.push("files", "the location answers from files, or with 404", "setting root, alias");
        return "The answer is a file from disk; no page is cached.".into();
    };
    steps.push("pool", &**pool, "setting pool");
    let Some(policy) = &location.cache else {
        steps.reason("cache", Reason::Off);
        return "Each request goes to the application.".into();
    };
    let ask = ask_of(request, site, location, pool.clone());
    through_cache(edge, request, policy, ask, (raw_path, query), steps).await
}

async fn through_cache(
    edge: &Edge,
    request: &Request,
    policy: &std::sync::Arc<Policy>,
    ask: Ask,
    (raw_path, query): (&str, Option<&str>),
    steps: &mut Steps,
) -> String {
    cookies(policy, request, steps);
    fields(policy, request, steps);
    let parts = RequestParts {
        method: &Method::GET,
        scheme: request.scheme.as_str(),
        authority: &request.authority,
        path: raw_path.as_bytes(),
        query: query.map(str::as_bytes),
        headers: &request.headers,
        client: ask.client.address,
    };
    let shared = match policy.request(&parts) {
        Ok(shared) => shared,
        Err(reason) => {
            steps.reason("request", reason);
            return "This request goes straight to the application, and its reply is not stored.".into();
        }
    };
    let look = shared.look;
    let rule = "scheme, host, path and query in their normal form; settings cookies, fields, client_address";
    steps.push("key", printable(shared.key.as_bytes()), rule);
    let ask = SharedAsk { ask, request: shared, policy: policy.clone() };
    let own = in_l1(edge, &ask, steps);
    if own.is_none() && look.trimmed {
        let target = String::from_utf8_lossy(&ask.request.outgoing.target).into_owned();
        steps.push(
            "trimmed",
            format!("the application is asked for {target}, without what the key ignores"),
            "settings cookies, ignore_query, allow_query",
        );
    }
    if let Some(reason) = look.no_store {
        steps.reason("request", reason);
    }
    let asked = SystemTime::now();
    let started = Instant::now();
    // The application sees the complete request of a visitor with a session.
    let head = match own {
        Some(_) => ask.ask.head("GET", request.target.clone().into(), &request.headers),
        None => ask.head(),
    };
    let reply = match edge.application.fetch(|| head.clone(), RequestBody::empty()).await {
        Ok(reply) => reply,
        Err(failure) => {
            steps.push("application", failure.to_string(), "RFC 5861 section 4");
            return format!(
                "The answer is {}, or a stale page if one may be served.",
                error::application(&failure).status
            );
        }
    };
    let took = milliseconds(started.elapsed());
    steps.push(
        "application",
        format!("{} from {} after {took} ms", reply.status, reply.server),
        "asked once for this",
    );
    judge(policy, &look, own, reply, asked, steps).await
}

async fn judge(
    policy: &Policy,
    look: &Look,
    own: Option<Reason>,
    reply: OriginReply,
    asked: SystemTime,
    steps: &mut Steps,
) -> String {
    let parts = ReplyParts {
        status: reply.status,
        headers: &reply.headers,
        authorization: look.authorization,
        personal: own.is_some() && look.personal,
        request_time: asked,
    };
    let lifetime = match verdict::of(policy, &parts, steps) {
        Ok(lifetime) => lifetime,
        Err(reason) => return verdict::not_stored(policy, reason),
    };
    if let Err(reason) = verdict::body(policy, &lifetime, reply, steps).await {
        return verdict::not_stored(policy, reason);
    }
    if let Some(reason) = look.no_store {
        return format!("It could be stored, but not by this request: {}", reason.sentence());
    }
    verdict::stored(&lifetime)
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

/// Reports what this edge has stored. Returns why the request is for one visitor, if it is.
fn in_l1(edge: &Edge, ask: &SharedAsk, steps: &mut Steps) -> Option<Reason> {
    let SharedRequest { key, look, outgoing } = &ask.request;
    let found = edge
        .cache
        .l1
        .find(key.as_bytes(), look, Instant::now(), |names| vary::selected(names, &outgoing.headers));
    let rule = "RFC 9111 section 4";
    match found {
        Found::Fresh(page) => steps.push("stored here", aged("fresh", &page), "RFC 9111 section 4.2"),
        Found::Stale(page) => steps.push(
            "stored here",
            aged("stale, served while it is made anew", &page),
            "RFC 5861 section 3",
        ),
        Found::Validate(page, reason) => {
            steps.push("stored here", aged("to be asked after first", &page), reason.rule());
        }
        Found::Standby(page) => steps.push(
            "stored here",
            aged("stale, served because a refresh failed a moment ago", &page),
            "RFC 5861 section 4",
        ),
        Found::Marked(mark) => steps.reason("stored here", mark.reason),
        Found::Miss { variant: Some(_) } => {
            steps.push("stored here", "not this variant, or it is too old", "RFC 9111 section 4.1");
        }
        Found::Miss { variant: None } => steps.push("stored here", "nothing", rule),
        Found::Pass(reason) => {
            steps.reason("stored here", reason);
            return matches!(reason, Reason::PersonalCookie | Reason::Authorization).then_some(reason);
        }
    }
    None
}

fn aged(what: &str, page: &Page) -> String {
    let age = page.head.age(Instant::now());
    format!("{what}; age {:.1} s of {:.1} s", age.as_secs_f64(), page.head.lifetime.ttl.as_secs_f64())
}

fn ask_of(request: &Request, site: &Site, location: &Location, pool: std::sync::Arc<str>) -> Ask {
    Ask {
        pool,
        scheme: request.scheme,
        version: Version::HTTP_11,
        authority: request.authority.clone(),
        client: request.client,
        server_name: site.name.clone(),
        server_port: request.server_port,
        document_root: site.root.clone(),
        traceparent: String::new(),
        priority: location.priority,
        stream_body: location.stream_body,
        stream_reply: location.stream_reply,
        variables: location.variables.clone(),
        upgrade: "",
        common_fields: None,
    }
}

/// The cookies and fields of a key follow separators that no terminal shows.
fn printable(key: &[u8]) -> String {
    String::from_utf8_lossy(key)
        .replace("\0\u{1}", " + field ")
        .replace("\0\u{2}", " + client ")
        .replace('\0', " + cookie ")
}

fn milliseconds(time: Duration) -> u128 {
    time.as_millis()
}
