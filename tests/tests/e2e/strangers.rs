//! The stranger test: all kinds of visitors at once, before applications that show everything they can see.
//!
//! Each visitor has unguessable marks in whatever tells it apart. None may stand in an answer to another,
//! unless a rule of docs/security.md says so. `WEIR_STRANGERS=120` makes the test last two minutes, not a few
//! seconds.

use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use tempfile::TempDir;
use weir_tests::{App, Certificate, Client, Http2, Response, Setup, Stack, both_topologies};

use self::visitors::{Manner, Mark, MarkRule, Protocol, Visitor, visitors};

#[path = "strangers/visitors.rs"]
mod visitors;

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }, { address = "127.0.0.1:$PORT", tls = $TLS }]
trusted_proxies = ["127.0.0.2/32"]
[[edge.site]]
server_name = ["localhost", "*.example"]
[[edge.site.location]]
match = "/through/"
pool = "app"
[[edge.site.location]]
match = "/second/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
ignore_query = ["utm_*"]
[[edge.site.location]]
match = "/minute/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
ignore_query = ["utm_*"]
[[edge.site.location]]
match = "/stale/"
pool = "app"
[edge.site.location.cache]
ttl = "0s"
stale_while_revalidate = "60s"
ignore_query = ["utm_*"]
[[edge.site.location]]
match = "/learnt/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
learn_languages = true
ignore_query = ["utm_*"]
"#;

const LOCATIONS: [&str; 5] = ["through", "second", "minute", "stale", "learnt"];
const PAGES: [&str; 7] = ["plain", "language", "agent", "cookie", "public", "welcome", "gate"];
/// Visits of every page in every location.
const ROUND: usize = LOCATIONS.len() * PAGES.len();
/// New pages begin again and again, so that each kind of visitor is the first somewhere.
const NUMBERS: usize = 40;
const USUAL: Duration = Duration::from_secs(3);

both_topologies!(no_answer_has_another_visitors_marks, before("strangers_wsgi.py"));
fn no_answer_has_another_visitors_marks(stack: &Stack) {
    stay_apart(stack);
}

both_topologies!(nor_has_an_answer_of_django, before("strangers_django.py"));
fn nor_has_an_answer_of_django(stack: &Stack) {
    stay_apart(stack);
}

both_topologies!(nor_has_an_answer_of_flask, before("strangers_flask.py"));
fn nor_has_an_answer_of_flask(stack: &Stack) {
    stay_apart(stack);
}

fn before(application: &'static str) -> Setup {
    let settings = SETTINGS.replace("$TLS", &secure().1.setting());
    Setup::new(settings, App::Strangers(application))
}

/// The certificate of all stacks, and where its files are.
fn secure() -> &'static (TempDir, Certificate) {
    static SECURE: OnceLock<(TempDir, Certificate)> = OnceLock::new();
    SECURE.get_or_init(|| {
        let directory = TempDir::new().unwrap();
        let certificate = Certificate::write(directory.path(), &["localhost"]);
        (directory, certificate)
    })
}

/// What the visits have brought.
#[derive(Default)]
struct VisitTally {
    answers: usize,
    hits: usize,
    wrong: Vec<String>,
    /// Names of visitors and their marks that the application has shown to themselves.
    own: Vec<(usize, usize)>,
}

fn stay_apart(stack: &Stack) {
    let all = visitors();
    let seconds = std::env::var("WEIR_STRANGERS").ok().and_then(|seconds| seconds.parse().ok());
    let (end, seen) =
        (Instant::now() + seconds.map_or(USUAL, Duration::from_secs), Mutex::new(VisitTally::default()));
    thread::scope(|scope| {
        for who in 0..all.len() {
            let (all, seen) = (&all, &seen);
            scope.spawn(move || visit(stack, all, who, end, seen));
        }
    });
    let seen = seen.into_inner().unwrap();
    let shown = seen.wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(seen.wrong.is_empty(), "{} of {} answers are wrong:\n{shown}", seen.wrong.len(), seen.answers);
    assert!(seen.hits > seen.answers / 20, "{} hits of {}: nothing was shared", seen.hits, seen.answers);
    // An application that does not show what it is told would prove nothing.
    for (who, visitor) in all.iter().enumerate() {
        for (n, mark) in visitor.marks.iter().enumerate().filter(|(_, mark)| mark.shown) {
            assert!(seen.own.contains(&(who, n)), "{} is never shown its own {}", visitor.name, mark.place);
        }
    }
}

/// One visitor asks for pages of all kinds, until the end.
fn visit(stack: &Stack, all: &[Visitor], who: usize, end: Instant, seen: &Mutex<VisitTally>) {
    let visitor = &all[who];
    let mut connection = Connection::new(stack, visitor);
    // Each visitor goes its own way through all of them.
    for step in 0usize.. {
        if step >= ROUND && Instant::now() > end {
            return;
        }
        let (location, page) =
            (LOCATIONS[step % LOCATIONS.len()], PAGES[(step / LOCATIONS.len() + who * 3) % PAGES.len()]);
        let target = format!("/{location}/{page}?n={}{}", step / ROUND % NUMBERS, visitor.query);
        let answer = connection.ask(visitor, &target);
        let mut seen = seen.lock().unwrap();
        seen.answers += 1;
        seen.hits += usize::from(answer.cache_status().contains("hit"));
        let text = format!("{:?}\n{}", answer.fields, answer.text());
        if location == "through" && answer.status == 200 && visitor.method == "GET" {
            let own = visitor.marks.iter().enumerate().filter(|(_, mark)| text.contains(&mark.text));
            let own: Vec<_> = own.map(|(n, _)| (who, n)).filter(|own| !seen.own.contains(own)).collect();
            seen.own.extend(own);
        } else if location == "through" && answer.status == 200 {
            seen.own.extend((0..visitor.marks.len()).map(|n| (who, n)));
        }
        if let Some(wrong) = fault(all, who, page, &answer, &text) {
            let status = answer.cache_status();
            seen.wrong
                .push(format!("{} asks for {target}: {wrong}; {} {status}", visitor.name, answer.status));
        }
    }
}

/// What of this answer is another's, or not as the visitor's own proxy and URL say.
fn fault(all: &[Visitor], who: usize, page: &str, answer: &Response, text: &str) -> Option<String> {
    let visitor = &all[who];
    for other in all.iter().enumerate().filter(|(other, _)| *other != who).map(|(_, other)| other) {
        let found =
            other.marks.iter().find(|mark| text.contains(&mark.text) && !is_allowed(mark, page, answer));
        if let Some(mark) = found {
            let line = text.lines().find(|line| line.contains(&mark.text)).unwrap_or_default();
            let line: String = line.chars().take(200).collect();
            return Some(format!("shows {}'s {}: {line}", other.name, mark.place));
        }
    }
    match visitor.manner {
        Manner::Usual => {}
        Manner::Leaves => return None,
        Manner::IsRefused => return (answer.status != 400).then(|| "is not refused".into()),
    }
    if answer.status != 200 || !answer.whole || answer.body.is_empty() {
        let expected = matches!(answer.status, 200 | 206 | 302 | 304 | 416);
        return (!expected).then(|| text.lines().take(3).collect());
    }
    let told = [format!("HTTP_HOST={}\n", visitor.host), format!("wsgi.url_scheme={}\n", visitor.scheme)];
    told.into_iter().find(|line| !text.contains(line)).map(|line| format!("lacks {line}"))
}

fn is_allowed(mark: &Mark, page: &str, answer: &Response) -> bool {
    match mark.kept {
        MarkRule::Apart => false,
        MarkRule::UnlessPublic => page == "public",
        MarkRule::IfVaries(field) => {
            let vary = answer.fields.all("vary").join(",").to_ascii_lowercase();
            !vary.split(',').any(|name| name.trim() == field.to_ascii_lowercase())
        }
    }
}

/// Over which a visitor asks; opened anew when it has ended.
enum Connection<'a> {
    One(&'a Stack, Option<Box<Client>>),
    Two(Box<Http2>),
}

impl<'a> Connection<'a> {
    fn new(stack: &'a Stack, visitor: &Visitor) -> Self {
        match visitor.protocol {
            Protocol::Http2 => Self::Two(Box::new(Http2::connect(stack.http()))),
            Protocol::Http2Tls => {
                let config = secure().1.client(&["h2"]);
                Self::Two(Box::new(Http2::over_tls(secure_address(stack), "localhost", config)))
            }
            _ => Self::One(stack, None),
        }
    }

    fn ask(&mut self, visitor: &Visitor, target: &str) -> Response {
        match self {
            Self::One(stack, kept) => {
                let mut client = kept.take().unwrap_or_else(|| Box::new(open(stack, visitor)));
                client.send(head(visitor, target));
                if visitor.manner == Manner::Leaves {
                    // It leaves.
                    return client.head();
                }
                let answer = client.response(visitor.method);
                let ends = answer.field("connection") == Some("close")
                    || visitor.protocol == Protocol::Http10
                    || visitor.manner == Manner::IsRefused;
                *kept = (!ends).then_some(client);
                answer
            }
            Self::Two(client) => {
                let mut request = Request::get(format!("{}://localhost{target}", visitor.scheme));
                for (name, value) in &visitor.fields {
                    request = request.header(*name, value);
                }
                client.ask(request.body(()).unwrap(), b"").unwrap()
            }
        }
    }
}

fn open(stack: &Stack, visitor: &Visitor) -> Client {
    if visitor.protocol == Protocol::Http11Tls {
        let config = secure().1.client(&["http/1.1"]);
        return Client::over_tls(secure_address(stack), "localhost", &config).unwrap();
    }
    Client::connect_from(visitor.source, stack.http())
}

fn secure_address(stack: &Stack) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], stack.port))
}

fn head(visitor: &Visitor, target: &str) -> String {
    let version = if visitor.protocol == Protocol::Http10 { "1.0" } else { "1.1" };
    let mut head = format!("{} {target} HTTP/{version}\r\nHost: localhost\r\n", visitor.method);
    for (name, value) in &visitor.fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if visitor.method == "POST" {
        let length = visitor.body.len();
        head.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head + "\r\n" + &visitor.body
}
