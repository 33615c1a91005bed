//! Kinds of visitors, each with marks of its own in everything that tells it apart.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr};

/// The answers to others that a mark may stand in, by the rules of docs/security.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkRule {
    /// None at all.
    Apart,
    /// Only pages that the application declares to be for all (RFC 9111 section 3.5): cookies, Authorization.
    UnlessPublic,
    /// Pages without this field in `Vary`: a standard lets servers choose by it.
    IfVaries(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Where it is sent.
    pub place: &'static str,
    pub text: String,
    pub kept: MarkRule,
    /// The application is shown it, wherever nothing is cached.
    pub shown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http10,
    Http11,
    Http2,
    Http11Tls,
    Http2Tls,
}

/// How a visitor behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Usual,
    /// Ends its connection when it has read the head of the answer.
    Leaves,
    /// Its requests are malformed.
    IsRefused,
}

#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub name: &'static str,
    pub protocol: Protocol,
    pub manner: Manner,
    pub method: &'static str,
    /// Whom the connection comes from. HTTP/2 and TLS come from 127.0.0.1.
    pub source: IpAddr,
    pub fields: Vec<(&'static str, String)>,
    pub query: String,
    pub body: String,
    pub marks: Vec<Mark>,
    /// As the application must be told.
    pub host: String,
    pub scheme: &'static str,
}

/// The only one whose forwarding fields are believed.
pub(super) const TRUSTED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Fields that browsers and clients send: `@` becomes a mark.
type FieldRows = &'static [(&'static str, &'static str)];

const CURL: FieldRows = &[("User-Agent", "curl/8.5.0 (@)"), ("Accept", "*/*;x=@")];
const REQUESTS: FieldRows = &[
    ("User-Agent", "python-requests/2.32 (@)"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Accept", "*/*"),
    ("Connection", "keep-alive"),
];
const CHROME: FieldRows = &[
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; @) Chrome/128.0"),
    ("sec-ch-ua", "\"Chromium\";v=\"128\""),
    ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("Accept-Language", "de-CH,de;q=0.9,x-@;q=0.1"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Referer", "http://localhost/from/@"),
    ("Cookie", "_ga=GA1.@; _gid=@"),
    ("Upgrade-Insecure-Requests", "1"),
];
const FIREFOX: FieldRows = &[
    ("User-Agent", "Mozilla/5.0 (X11; rv:128.0; @) Firefox/128.0"),
    ("Accept-Language", "en-GB,x-@;q=0.5"),
    ("Referer", "http://localhost/from/@"),
    ("DNT", "1"),
    ("Sec-GPC", "1"),
    ("Priority", "u=0, i"),
    ("Cookie", "csrftoken=@"),
];
const SAFARI: FieldRows = &[
    ("User-Agent", "Mozilla/5.0 (iPhone; @) Safari/604.1"),
    ("Accept-Language", "fr-FR,x-@"),
    ("Range", "bytes=0-1"),
    ("If-None-Match", "\"@\""),
    ("Cache-Control", "max-age=0"),
];
const HTMX: FieldRows =
    &[("HX-Request", "true"), ("HX-Target", "@"), ("HX-Current-URL", "http://localhost/@")];
const SCRIPT: FieldRows =
    &[("X-Requested-With", "XMLHttpRequest @"), ("Origin", "http://@.example"), ("Referer", "http://x/@")];
const API_KEY: FieldRows = &[("X-API-Key", "@")];
const TOKENS: FieldRows =
    &[("X-Auth-Token", "@"), ("Private-Token", "@"), ("DPoP", "@"), ("X-Session-Id", "@")];
const BASIC: FieldRows = &[("Authorization", "Basic @")];
const BEARER: FieldRows = &[("Authorization", "Bearer @")];
const SESSION: FieldRows = &[("Cookie", "_ga=1; sessionid=@")];
const COOKIE: FieldRows = &[("Cookie", "known_to_nobody=@")];
const TENANT: FieldRows = &[("X-Tenant", "@")];
const CSRF: FieldRows = &[("X-CSRFToken", "@"), ("Cookie", "csrftoken=@")];
const NETWORK: FieldRows = &[
    ("CF-Connecting-IP", "@"),
    ("CF-Ray", "@-ZRH"),
    ("CF-IPCountry", "@"),
    ("True-Client-IP", "@"),
    ("X-Amzn-Trace-Id", "Root=1-@"),
    ("traceparent", "00-@00000000000000000000-00f067aa0ba902b7-01"),
    ("X-Request-Id", "@"),
    ("X-Real-IP", "@"),
];
/// What a trusted proxy tells.
const PROXY: FieldRows = &[
    ("X-Forwarded-For", "2001:db8:@"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "@.example"),
    ("User-Agent", "behind/1 (@)"),
];
const PROXY_WITH_USER: FieldRows =
    &[("X-Forwarded-For", "2001:db8:@"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-User", "@")];
/// What no server may take.
const MALFORMED: FieldRows = &[("User-Agent", "@"), ("Cookie", "sessionid=@"), ("Content-Length", "-@")];
/// What anybody else only claims.
const LIAR: FieldRows = &[
    ("X-Forwarded-For", "2001:db8:@"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "@.example"),
    ("X-Forwarded-User", "@"),
    ("Remote-User", "@"),
    ("X-Script-Name", "/@"),
    ("X-Original-URL", "/@"),
    ("X-HTTP-Method-Override", "@"),
    ("Forwarded", "for=@;host=@"),
];

/// Some forty visitors, several of a kind where the kind has an identity.
pub(super) fn visitors() -> Vec<Visitor> {
    use Protocol::{Http2, Http2Tls, Http10, Http11, Http11Tls};
    let mut all = vec![
        Visitor::new("curl", Http11, CURL),
        Visitor::new("requests", Http11, REQUESTS),
        Visitor::new("chrome", Http11, CHROME),
        Visitor::new("firefox", Http11, FIREFOX),
        Visitor::new("safari", Http11, SAFARI),
        Visitor::new("htmx", Http11, HTMX),
        Visitor::new("script", Http11, SCRIPT),
        Visitor::new("api alice", Http11, API_KEY),
        Visitor::new("api bob", Http11, API_KEY),
        Visitor::new("tokens", Http11, TOKENS),
        Visitor::new("basic", Http11, BASIC),
        Visitor::new("bearer", Http11, BEARER),
        Visitor::new("session alice", Http11, SESSION),
        Visitor::new("session bob", Http11, SESSION),
        Visitor::new("cookie", Http11, COOKIE),
        Visitor::new("tenant", Http11, TENANT),
        Visitor::new("csrf", Http11, CSRF),
        Visitor::new("network", Http11, NETWORK),
        Visitor::new("liar", Http11, LIAR),
        Visitor::new("old", Http10, CURL),
        Visitor::new("chrome 2", Http2, CHROME),
        Visitor::new("api 2", Http2, API_KEY),
        Visitor::new("session 2", Http2, SESSION),
        Visitor::new("htmx 2", Http2, HTMX),
        Visitor::new("anonymous", Http11, &[]),
        Visitor::new("chrome tls", Http11Tls, CHROME),
        Visitor::new("session tls", Http11Tls, SESSION),
        Visitor::new("firefox tls 2", Http2Tls, FIREFOX),
        Visitor::new("api tls 2", Http2Tls, API_KEY),
        Visitor::new("leaving", Http11, CHROME).who(Manner::Leaves),
        Visitor::new("leaving session", Http11Tls, SESSION).who(Manner::Leaves),
        Visitor::new("malformed", Http11, MALFORMED).who(Manner::IsRefused),
    ];
    all.push(Visitor::new("behind a proxy", Http11, PROXY).trusted());
    all.push(Visitor::new("user behind a proxy", Http11, PROXY_WITH_USER).trusted());
    let mut poster = Visitor::new("poster", Http11, CURL);
    (poster.method, poster.body) = ("POST", format!("note={}", poster.mark("body", MarkRule::Apart, true)));
    let mut asker = Visitor::new("asker", Http11, CURL);
    asker.query = format!("&own={}", asker.mark("query", MarkRule::Apart, true));
    let mut mailed = Visitor::new("mailed", Http11, REQUESTS);
    mailed.query = format!("&utm_source={}", mailed.mark("query", MarkRule::Apart, false));
    all.extend([poster, asker, mailed]);
    all
}

impl Visitor {
    fn new(name: &'static str, protocol: Protocol, fields: FieldRows) -> Self {
        let source = match protocol {
            Protocol::Http2 | Protocol::Http11Tls | Protocol::Http2Tls => Ipv4Addr::LOCALHOST,
            _ => Ipv4Addr::from((127 << 24 | random() as u32 & 0xff_ffff) | 0x80_8080),
        };
        let mut visitor = Self {
            name,
            protocol,
            manner: Manner::Usual,
            method: "GET",
            source: source.into(),
            fields: Vec::new(),
            query: String::new(),
            body: String::new(),
            marks: Vec::new(),
            host: "localhost".into(),
            scheme: if matches!(protocol, Protocol::Http11Tls | Protocol::Http2Tls) {
                "https"
            } else {
                "http"
            },
        };
        if source != Ipv4Addr::LOCALHOST {
            visitor.marks.push(Mark {
                place: "address",
                text: source.to_string(),
                kept: MarkRule::Apart,
                shown: true,
            });
        }
        for (field, pattern) in fields {
            let mut value = (*pattern).to_owned();
            while let Some(at) = value.find('@') {
                value.replace_range(at..=at, &visitor.mark(field, kept(field), is_shown(field)));
            }
            visitor.fields.push((field, value));
        }
        visitor
    }

    /// One whose answers are not read whole, or show nothing of what it sent.
    fn who(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self.marks.iter_mut().for_each(|mark| mark.shown = false);
        self
    }

    /// Behind the proxy that is believed: the address is the one that it tells.
    fn trusted(mut self) -> Self {
        (self.source, self.scheme) = (TRUSTED, "https");
        self.marks.remove(0);
        let host = self.fields.iter().find(|(name, _)| *name == "X-Forwarded-Host");
        self.host = host.map_or(self.host, |(_, host)| host.clone());
        let address = self.fields.iter_mut().find(|(name, _)| *name == "X-Forwarded-For").unwrap();
        // 12 digits in three groups, as addresses are written.
        let digits = address.1.rsplit(':').next().unwrap().to_owned();
        let own: Vec<_> = (0..3).map(|n| format!("a{}", &digits[n * 3..n * 3 + 3])).collect();
        address.1 = format!("2001:db8:1:2:3:{}", own.join(":"));
        for mark in self.marks.iter_mut().filter(|mark| mark.text == digits) {
            (mark.text, mark.shown) = (own.join(":"), true);
        }
        self
    }

    fn mark(&mut self, place: &'static str, kept: MarkRule, shown: bool) -> String {
        let text = format!("{:012x}", random() & 0xffff_ffff_ffff);
        self.marks.push(Mark { place, text: text.clone(), kept, shown });
        text
    }
}

fn kept(field: &'static str) -> MarkRule {
    match field {
        "Cookie" | "Authorization" => MarkRule::UnlessPublic,
        "User-Agent" | "Accept-Language" | "Accept" => MarkRule::IfVaries(field),
        _ => MarkRule::Apart,
    }
}

/// Weir answers, replaces or believes the others itself.
fn is_shown(field: &str) -> bool {
    let forwarding = ["X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-User", "X-Real-IP", "Forwarded"];
    let others = ["X-Request-Id", "X-Original-URL"];
    !forwarding.contains(&field) && !others.contains(&field)
}

/// Unguessable: the hasher's keys are the system's random bytes.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
