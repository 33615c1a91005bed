//! What becomes of a request, as tables: what L1 holds, what the request says, what the plan is.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_cache::{Lifetime, ReplyManner, Source};
use http1::head::{self, Limits};
use process::settings::Mistakes;
use process::units::Size;

use super::*;
use crate::cache::l1::UncacheableReply;
use crate::cache::page::PageHead;
use crate::metrics::Metrics;
use crate::purge_log::PurgeStamp;
use crate::request::body::RequestBody;
use crate::request::{Upgrade, Via, path};
use crate::route::{self, Sites};
use crate::settings::{CacheConfig, Config, LocationConfig, RulesConfig, SiteConfig};
use crate::variables::Template;

const HOST: &str = "h";

/// A location: its pattern, and what is changed in its settings.
fn location(pattern: &str, change: impl FnOnce(&mut LocationConfig, &mut CacheConfig)) -> LocationConfig {
    let mut cache = CacheConfig::default();
    let mut location = LocationConfig { pool: Some("app".into()), ..LocationConfig::new(pattern) };
    change(&mut location, &mut cache);
    if location.pool.is_some() && pattern != "/uncached/" {
        location.cache = Some(cache);
    }
    location
}

fn sites() -> Sites {
    let query = |name: &str| RulesConfig { query: vec![name.into()], ..RulesConfig::default() };
    let locations = vec![
        location("/", |_, _| {}),
        location("/uncached/", |_, _| {}),
        location("/files/", |location, _| {
            location.pool = None;
            location.alias = Some(Template::literal("/srv/"));
        }),
        location("/internal/", |location, _| location.internal = true),
        location("/small/", |location, _| location.max_body = Some(Size(10))),
        location("/get/", |_, cache| cache.methods = vec!["GET".into()]),
        location("/obeys/", |_, cache| cache.honour_request = true),
        location("/often/", |_, cache| cache.min_uses = 3),
        location("/rules/", |_, cache| {
            cache.bypass = query("draft");
            cache.no_store = query("once");
        }),
    ];
    let site = SiteConfig { server_name: vec![HOST.into()], location: locations, ..SiteConfig::default() };
    let config = Config { site: vec![site], ..Config::default() };
    let mut mistakes = Mistakes::default();
    let sites = route::build(&config, &config.listen, &Metrics::new(Default::default), &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    sites.unwrap()
}

/// A page that is fresh for 10 s, stale for 5 s more, and good on errors for 20 s.
fn page(age: u64, shared: bool, validate: bool) -> Arc<Page> {
    let lifetime = Lifetime {
        ttl: Duration::from_secs(10),
        stale_while_revalidate: Duration::from_secs(5),
        stale_if_error: Duration::from_secs(20),
        age: Duration::ZERO,
        vary: Vec::new(),
        shared,
        validate,
        source: Source::Setting,
    };
    let born = Instant::now().checked_sub(Duration::from_secs(age)).unwrap();
    let head = PageHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        lifetime,
        born,
        grant: PurgeStamp::passing(),
        tags: Box::default(),
    };
    Arc::new(Page::new(head, Bytes::from_static(b"page")))
}

/// What L1 holds: below each location a page for each state.
fn l1() -> L1 {
    let l1 = L1::new(1 << 20, 1 << 16);
    for place in ["/", "/get/", "/obeys/", "/often/", "/rules/", "/small/"] {
        let key = |name: &str| format!("http://{HOST}{place}{name}").into_bytes();
        let none = HeaderMap::new();
        l1.insert(&key("fresh"), &none, page(1, false, false));
        l1.insert(&key("shared"), &none, page(1, true, false));
        l1.insert(&key("stale"), &none, page(12, false, false));
        l1.insert(&key("old"), &none, page(17, false, false));
        l1.insert(&key("failing"), &none, page(17, false, false));
        l1.refresh_failed(&key("failing"), &none);
        l1.insert(&key("dead"), &none, page(60, false, false));
        l1.insert(&key("asks"), &none, page(1, false, true));
        let manner = ReplyManner::default();
        let seen = UncacheableReply { reason: Reason::SetCookie, manner, pass_for: Duration::from_secs(60) };
        l1.mark(&key("marked"), &none, &[], seen);
        l1.count_use(&key("once"));
        l1.count_use(&key("twice"));
        l1.count_use(&key("twice"));
    }
    l1
}

/// The request that these lines make.
fn with_request<T>(text: &str, judge: impl FnOnce(Request) -> T) -> T {
    let (line, fields) = text.split_once('\n').unwrap_or((text, ""));
    let fields = fields.lines().map(|field| format!("{field}\r\n")).collect::<String>();
    let head = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
    let limits = Limits { head: 8192, target: 4096, fields: 20, ..Limits::default() };
    let mut spans = Vec::new();
    let (head, _) = head::read(head.as_bytes(), &limits, &mut spans).unwrap().unwrap();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let via = Via::accepted((peer, 80), 0, 0);
    let body = RequestBody::announced(head.framing).0;
    let settings = Config::default();
    let request = Request::new(settings.forwarding(&|_, _| true), &head, &via, body).unwrap();
    judge(Request { upgrade: Upgrade::of_head(&head), ..request })
}

/// The decision on a request: "bypass: method", "refused: 404".
fn decided(sites: &Sites, l1: &L1, text: &str) -> String {
    with_request(text, |request| words(plan_of(sites, l1, &request)))
}

fn plan_of(sites: &Sites, l1: &L1, mut request: &Request) -> Decision {
    let path = path::normalise(path::split(&request.target).0.as_bytes()).unwrap();
    let chosen = sites.choose(0, &request.authority).choose(&path);
    decide(chosen, &mut request, L1View { l1, now: Instant::now() }).decision()
}

fn words(Decision { word, reason, status }: Decision) -> String {
    let why = reason.map(|reason| reason.as_str().to_owned());
    let why = why.or_else(|| status.map(|status| status.as_u16().to_string()));
    why.map_or_else(|| word.to_owned(), |why| format!("{word}: {why}"))
}

const TABLE: &[(&str, &str)] = &[
    // Where.
    ("GET /files/a", "file"),
    ("POST /files/a", "file"),
    ("GET /internal/a", "refused: 404"),
    ("POST /internal/a\nContent-Length: 5", "refused: 404"),
    ("GET /get", "redirect: 301"),
    ("GET /uncached/a", "bypass"),
    ("HEAD /uncached/a", "bypass"),
    ("POST /uncached/a", "bypass"),
    // How much.
    ("POST /small/a\nContent-Length: 10", "bypass: request-body"),
    ("POST /small/a\nContent-Length: 11", "refused: 413"),
    ("POST /small/a\nTransfer-Encoding: chunked", "bypass: request-body"),
    ("GET /small/fresh\nContent-Length: 11", "refused: 413"),
    ("GET /small/fresh\nContent-Length: 0", "hit"),
    ("GET /small/fresh\nContent-Length: 1", "bypass: request-body"),
    // The method.
    ("HEAD /fresh", "hit"),
    ("HEAD /get/fresh", "bypass: method"),
    ("GET /get/fresh", "hit"),
    ("POST /fresh", "bypass: method"),
    ("DELETE /fresh", "bypass: method"),
    ("OPTIONS /fresh", "bypass: method"),
    ("GET /fresh\nConnection: upgrade\nUpgrade: websocket", "bypass"),
    ("GET /fresh\nConnection: upgrade\nUpgrade: h2c", "hit"),
    // What is stored.
    ("GET /fresh", "hit"),
    ("GET /fresh?", "join"),
    ("GET /fresh\nRange: bytes=0-1", "hit"),
    ("GET /fresh\nIf-None-Match: \"a\"", "hit"),
    ("GET /fresh\nCache-Control: no-cache", "hit"),
    ("GET /stale", "stale"),
    ("GET /old", "join"),
    ("GET /failing", "standby: origin-failed"),
    ("GET /dead", "join"),
    ("GET /asks", "revalidate: no-cache"),
    ("GET /none", "join"),
    ("HEAD /none", "join"),
    // Visitors.
    ("GET /fresh\nCookie: sessionid=a", "bypass: personal-cookie"),
    ("GET /shared\nCookie: sessionid=a", "hit"),
    ("GET /none\nCookie: sessionid=a", "bypass: personal-cookie"),
    ("GET /fresh\nCookie: _ga=1", "hit"),
    ("GET /none\nCookie: _ga=1", "join"),
    ("GET /fresh\nAuthorization: Basic eA==", "bypass: authorization"),
    ("GET /shared\nAuthorization: Basic eA==", "hit"),
    ("GET /fresh\nX-Tenant: a", "bypass: personal-field"),
    ("GET /fresh\nAccept-Language: de", "hit"),
    // A short time ago the reply could not be stored.
    ("GET /marked", "join"),
    ("GET /marked\nCookie: _ga=1", "bypass: set-cookie"),
    ("GET /marked\nCookie: sessionid=a", "bypass: personal-cookie"),
    // Rules.
    ("GET /rules/fresh?draft=1", "bypass: bypass"),
    ("GET /rules/none?once=1", "bypass: no-store-rule"),
    ("GET /often/none", "bypass: min-uses"),
    ("GET /often/once", "bypass: min-uses"),
    ("GET /often/twice", "join"),
    ("GET /often/fresh", "hit"),
    ("GET /often/dead", "bypass: min-uses"),
    ("GET /often/none\nCookie: sessionid=a", "bypass: personal-cookie"),
    // What the request wants.
    ("GET /obeys/fresh\nCache-Control: no-cache", "revalidate: request-directive"),
    ("GET /obeys/fresh\nCache-Control: max-age=0", "revalidate: request-directive"),
    ("GET /obeys/stale\nCache-Control: max-age=60", "revalidate: request-directive"),
    ("GET /obeys/none\nCache-Control: no-store", "bypass: request-no-store"),
    ("GET /obeys/fresh\nCache-Control: no-store", "hit"),
    ("GET /obeys/fresh\nCache-Control: only-if-cached", "hit"),
    ("GET /obeys/stale\nCache-Control: only-if-cached", "stale"),
    ("GET /obeys/none\nCache-Control: only-if-cached", "ask-node: only-if-cached"),
    ("GET /obeys/old\nCache-Control: only-if-cached", "ask-node: only-if-cached"),
    ("GET /obeys/asks\nCache-Control: only-if-cached", "nothing-stored: only-if-cached"),
    ("GET /obeys/marked\nCache-Control: only-if-cached", "nothing-stored: only-if-cached"),
    (
        "GET /obeys/fresh\nCache-Control: only-if-cached\nCookie: sessionid=a",
        "nothing-stored: only-if-cached",
    ),
    ("GET /none\nCache-Control: only-if-cached", "join"),
];

#[test]
fn each_request_has_its_plan() {
    let (sites, l1) = (sites(), l1());
    let mut wrong = Vec::new();
    for (text, expected) in TABLE {
        // A second look finds what the first one did: nothing is counted.
        for _ in 0..2 {
            let found = decided(&sites, &l1, text);
            if found != *expected {
                wrong.push(format!("{text:?}: {found}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_internal_redirect_reaches_an_internal_location() {
    let (sites, l1) = (sites(), l1());
    with_request("GET /internal/a", |request| {
        let request = Request { internal: true, ..request };
        assert_eq!(words(plan_of(&sites, &l1, &request)), "join");
    });
}
