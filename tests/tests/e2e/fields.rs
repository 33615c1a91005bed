//! Variables, and the fields that settings add to replies and requests: as nginx computes and adds them.

use std::fmt::Write as _;
use std::fs;

use weir_tests::{Client, Http2, Nginx, Response, Stack, both_topologies};

/// What both servers put into a field of their replies.
const TEMPLATES: &[&str] = &[
    "[$host] [$http_host] [$scheme] [$https]",
    "[$request_uri] [$args] [$is_args] [$query_string]",
    "[$uri] [$document_uri]",
    "[$arg_x] [$arg_y] [$arg_long_name]",
    "[$cookie_a] [$cookie_sessionid] [$cookie_B]",
    "[$http_x_one] [$http_user_agent] [$http_referer] [$http_accept] [$http_nothing]",
    "[$remote_addr] [$remote_user] [$realip_remote_addr]",
    "[$request_method] [$server_protocol] [$request]",
    "[$server_name] [$status] [${scheme}s] [$request_method$args]",
    "[$request_filename] [$document_root]",
    "[$content_type] [$proxy_add_x_forwarded_for]",
    "[$sent_http_nothing] [$upstream_http_nothing] [$upstream_status] [$upstream_cache_status]",
    "[$mapped] [$by_host] [$chained]",
    "[$area] [$second]",
    "[$part]",
];

const WEIR: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
[[edge.map]]
variable = "mapped"
from = "$arg_x"
default = "none"
cases = [["1", "one"], ["", "empty"], ["A", "letter"], ["~^(?<first>[a-z])(.*)$", "$first-$2-$request_method"], ["~*^Z", "z $arg_y"]]
[[edge.map]]
variable = "by_host"
from = "$host"
hostnames = true
cases = [["www.example.com", "exact"], ["*.example.com", "below"], [".example.org", "both"], ["mail.*", "mail"]]
[[edge.map]]
variable = "chained"
from = "$mapped$by_host"
cases = [["oneexact", "1e"], ["~none", "n"]]
[[edge.geo]]
variable = "area"
default = "out"
networks = [["127.0.0.0/8", "loop"], ["127.0.0.1", "self"], ["10.0.0.0/8", "ten"]]
[[edge.geo]]
variable = "second"
from = "$arg_x"
default = "none"
networks = [["10.0.0.0/8", "ten"], ["10.1.0.0/16", "ten-one"], ["192.0.2.10-192.0.2.20", "range"]]
[[edge.split]]
variable = "part"
from = "$request_uri"
parts = [["20%", "first"], ["0.5%", "small"], ["33.33%", "third"], ["*", "rest"]]
[[edge.site]]
server_name = ["first.example"]
root = "$DIR"
FIELDS
"#;

const NGINX_HTTP: &str = r#"
map $arg_x $mapped { default none; 1 one; '' empty; A letter; "~^(?<first>[a-z])(.*)$" $first-$2-$request_method; "~*^Z" "z $arg_y"; }
map $host $by_host { hostnames; www.example.com exact; *.example.com below; .example.org both; mail.* mail; }
map $mapped$by_host $chained { oneexact 1e; ~none n; }
geo $area { default out; 127.0.0.0/8 loop; 127.0.0.1 self; 10.0.0.0/8 ten; }
geo $arg_x $second { ranges; default none; 10.0.0.0-10.0.255.255 ten; 10.1.0.0-10.1.255.255 ten-one; 10.2.0.0-10.255.255.255 ten; 192.0.2.10-192.0.2.20 range; }
split_clients $request_uri $part { 20% first; 0.5% small; 33.33% third; * rest; }
"#;

fn settings() -> String {
    let fields = TEMPLATES.iter().enumerate();
    let fields: Vec<_> = fields
        .map(|(at, text)| format!("{{ add = \"X-{at}\", value = \"{text}\", always = true }}"))
        .collect();
    WEIR.replace("FIELDS", &format!("reply_fields = [{}]", fields.join(", ")))
}

fn nginx(stack: &Stack) -> Nginx {
    let mut server = format!("server_name first.example;\nroot {};\n", stack.directory().display());
    for (at, text) in TEMPLATES.iter().enumerate() {
        writeln!(server, "add_header X-{at} \"{text}\" always;").unwrap();
    }
    Nginx::start_with(NGINX_HTTP, &server)
}

/// A generator of its own, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        of[usize::try_from(self.0 >> 33).unwrap() % of.len()]
    }
}

fn request(dice: &mut Dice) -> String {
    let path = dice.pick(&[
        "/",
        "/page.html",
        "/a%20b.html",
        "/none",
        "//x/../page.html",
        "/caf%C3%A9",
        "/a%2Fb",
        "/A",
    ]);
    let query = dice.pick(&[
        "",
        "?",
        "?x=1",
        "?x=",
        "?y=2&x=abc",
        "?X=A&y=%20z",
        "?long_name=a=b&x=zed&y=7",
        "?x",
        "?&&x=q",
        "?x=10.1.2.3",
        "?x=192.0.2.15",
        "?x=10.200.0.1",
        "?x=a&x=b",
        "?xx=1",
    ]);
    let host = dice.pick(&[
        "first.example",
        "FIRST.example:8080",
        "www.example.com",
        "a.b.example.com",
        "example.org",
        "x.example.org.",
        "mail.test",
        "127.0.0.1:1",
    ]);
    let method = dice.pick(&["GET", "GET", "HEAD"]);
    let mut text = format!("{method} {path}{query} HTTP/1.1\r\nHost: {host}\r\n");
    text += dice.pick(&["", "X-One: 1\r\n", "x-one: a b\r\n", "X-One:\r\n"]);
    text += dice.pick(&[
        "",
        "Cookie: a=1; sessionid=x\r\n",
        "Cookie: b=2;a = 3 ; A=4\r\n",
        "Cookie: aa=1; B=2,sessionid=3\r\n",
    ]);
    text += dice.pick(&["", "User-Agent: t/1 (x; \"y\")\r\nReferer: http://r/?q\r\n"]);
    text += dice.pick(&["", "Authorization: Basic YW5uOnNlY3JldA==\r\n", "Authorization: Bearer x\r\n"]);
    text += dice.pick(&["", "Accept: text/html\r\nContent-Type: text/x\r\n"]);
    text + "\r\n"
}

fn added(response: &Response) -> Vec<(String, Vec<&str>)> {
    (0..TEMPLATES.len())
        .map(|at| format!("x-{at}"))
        .map(|name| (name.clone(), response.fields.all(&name)))
        .collect()
}

both_topologies!(variables_are_those_of_nginx, settings());
fn variables_are_those_of_nginx(stack: &Stack) {
    for file in ["page.html", "a b.html", "index.html"] {
        fs::write(stack.directory().join(file), "page").unwrap();
    }
    let nginx = nginx(stack);
    let (mut ours, mut theirs) = (stack.connect(), nginx.connect());
    let mut dice = Dice(7);
    for _ in 0..1500 {
        let request = request(&mut dice);
        let method = request.split(' ').next().unwrap_or_default();
        let ask = |client: &mut Client| {
            client.send(&request);
            client.response(method)
        };
        let (our, their) = (ask(&mut ours), ask(&mut theirs));
        assert_eq!(our.status, their.status, "{request}");
        for ((our, their), template) in added(&our).iter().zip(added(&their)).zip(TEMPLATES) {
            // A query of a `?` alone is none.
            assert_eq!(*our, their, "{template} of {request}");
        }
    }
}

both_topologies!(variables_are_the_same_over_http2, settings());
fn variables_are_the_same_over_http2(stack: &Stack) {
    fs::write(stack.directory().join("page.html"), "page").unwrap();
    let mut client = Http2::connect(stack.http());
    let url = "http://www.example.com/page.html?x=1&y=2";
    let request = http::Request::get(url).header("cookie", "a=1").header("cookie", "sessionid=x");
    let response = client.ask(request.body(()).unwrap(), b"").unwrap();
    assert_eq!(response.field("x-0"), Some("[www.example.com] [www.example.com] [http] []"));
    assert_eq!(response.field("x-4"), Some("[1] [x] []"));
    assert_eq!(response.field("x-7"), Some("[GET] [HTTP/2.0] [GET /page.html?x=1&y=2 HTTP/2.0]"));
    assert_eq!(response.field("x-12"), Some("[one] [exact] [1e]"));
}

const REPLIES: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
security = "basic"
reply_fields = [{ add = "X-Edge", value = "e" }]
[[edge.map]]
variable = "expires"
from = "$sent_http_content_type"
default = "off"
cases = [["text/css", "max"], ["~^text/plain", "1h"]]
[[edge.site]]
server_name = ["localhost"]
root = "$DIR"
reply_fields = [{ add = "X-Site", value = "s", always = true }, { remove = "X-Powered-By" }]
[[edge.site.location]]
match = "/page/"
pool = "app"
cache = { ttl = "1m" }
reply_fields = [
    { add = "X-One", value = "1" }, { add = "X-Two", value = "2", always = true }, { set = "X-Set", value = "ours" },
    { add = "X-Missing", value = "m", status = ["404", "5xx"] },
]
[[edge.site.location]]
match = "/told/"
pool = "app"
cache = { ttl = "1m" }
inherit_fields = "replace"
reply_fields = [{ add = "X-Cache", value = "$upstream_cache_status $status" }, { add = "X-Line", value = "a$arg_bad$uri" }]
[[edge.site.location]]
match = "/open/"
pool = "app"
cors = { origins = ["https://a.example"], headers = ["X-Token"], credentials = true }
[[edge.site.location]]
match = "/expires/"
pool = "app"
expires = "$expires"
set = [["$kept", "$request_method"], ["again", "${kept}!"]]
reply_fields = [{ add = "X-Again", value = "$again" }]
"#;

both_topologies!(fields_are_added_to_pages_files_and_errors, REPLIES);
fn fields_are_added_to_pages_files_and_errors(stack: &Stack) {
    fs::write(stack.directory().join("file.txt"), "file").unwrap();
    let check = |response: &Response, cached: &str| {
        assert!(response.cache_status().contains(cached), "{response:?}");
        for (name, value) in
            [("x-edge", "e"), ("x-site", "s"), ("x-one", "1"), ("x-two", "2"), ("x-set", "ours")]
        {
            assert_eq!(response.field(name), Some(value), "{name} {cached}");
        }
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.field("x-powered-by"), None);
        assert_eq!(response.field("x-missing"), None);
    };
    // Fields that only add, so that hits take the fastest way, and such as change what the page has.
    for target in ["/page/count/a", "/page/count/b?h=X-Powered-By:me&h=X-Set:theirs"] {
        let mut client = stack.connect();
        check(&client.get(target), "fwd=uri-miss");
        for _ in 0..4 {
            let hit = client.get(target);
            check(&hit, "hit");
            assert_eq!(hit.text(), "1");
        }
        check(&client.ask("HEAD", target, &[], b""), "hit");
        let mut over_http2 = Http2::connect(stack.http());
        check(&over_http2.get(&format!("http://localhost{target}")), "hit");
    }
    let missing = stack.connect().get("/page/count/c?status=404").expect(404);
    assert_eq!((missing.field("x-one"), missing.field("x-two")), (None, Some("2")));
    assert_eq!(missing.field("x-missing"), Some("m"));
    let mut client = stack.connect();
    for _ in 0..3 {
        let file = client.get("/file.txt").expect(200);
        assert_eq!((file.field("x-edge"), file.field("x-site")), (Some("e"), Some("s")));
        assert_eq!(file.field("x-frame-options"), Some("SAMEORIGIN"));
    }
    let own = client.get("/nothing").expect(404);
    assert_eq!((own.field("x-edge"), own.field("x-site")), (None, Some("s")));
    let post = client.ask("POST", "/page/count/d", &[], b"x=1");
    assert_eq!(post.field("x-one"), Some("1"));
}

both_topologies!(variables_in_fields_see_the_reply, REPLIES);
fn variables_in_fields_see_the_reply(stack: &Stack) {
    let mut client = stack.connect();
    assert_eq!(client.get("/told/count/a").field("x-cache"), Some("MISS 200"));
    let hit = client.get("/told/count/a");
    assert_eq!(hit.field("x-cache"), Some("HIT 200"));
    // The location's list replaces the outer ones.
    assert_eq!((hit.field("x-edge"), hit.field("x-site")), (None, None));
    assert_eq!(hit.field("x-line"), Some("a/told/count/a"));
    // What would end the line is no field.
    let split = client.get("/told/count/a%0D%0ASet-Cookie:%20x=1");
    assert_eq!((split.field("x-line"), split.field("set-cookie")), (None, None));
    assert!(split.field("x-cache").is_some());

    let text = client.get("/expires/count/a");
    assert_eq!(text.field("cache-control"), Some("max-age=3600"));
    assert_eq!(text.field("x-again"), Some("GET!"));
    assert_eq!(
        client.get("/expires/count/a?type=text/css").field("cache-control"),
        Some("max-age=315360000")
    );
    assert_eq!(client.get("/expires/count/a?type=text/html").field("cache-control"), None);
}

both_topologies!(cross_origin_reading_is_for_those_named, REPLIES);
fn cross_origin_reading_is_for_those_named(stack: &Stack) {
    let mut client = stack.connect();
    let preflight = |origin| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "x-token"),
        ]
    };
    let allowed = client.ask("OPTIONS", "/open/count/a", &preflight("https://a.example"), b"").expect(204);
    assert_eq!(allowed.field("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(allowed.field("access-control-allow-methods"), Some("GET, HEAD, POST"));
    assert_eq!(allowed.field("access-control-allow-headers"), Some("X-Token"));
    assert_eq!(allowed.field("access-control-allow-credentials"), Some("true"));
    assert_eq!(allowed.field("vary"), Some("origin"));
    let refused = client.ask("OPTIONS", "/open/count/a", &preflight("https://b.example"), b"").expect(204);
    assert_eq!(refused.field("access-control-allow-origin"), None);
    assert_eq!(refused.field("access-control-allow-methods"), None);
    assert_eq!(stack.oracle.calls("a"), 0);

    let own = "/open/count/b?h=Access-Control-Allow-Origin:*";
    let read = client.ask("GET", own, &[("Origin", "https://a.example")], b"");
    assert_eq!(read.field("access-control-allow-origin"), Some("https://a.example"));
    let unread = client.ask("GET", own, &[("Origin", "https://b.example")], b"");
    assert_eq!(unread.field("access-control-allow-origin"), None);
}

const TO_THE_APPLICATION: &str = r#"
request_fields = [{ set = "X-Edge", value = "e" }]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/plain/"
pool = "app"
request_fields = [
    { set = "X-Scheme", value = "$scheme" }, { set = "X-Who", value = "$remote_addr:$arg_x" },
    { set = "X-Empty", value = "$http_x_nothing" }, { remove = "Authorization" }, { set = "X-Line", value = "$uri" },
]
[[edge.site.location]]
match = "/shared/"
pool = "app"
request_fields = [
    { set = "X-Host", value = "$host" }, { set = "X-Visitor", value = "$remote_addr" },
    { set = "X-Group", value = "$cookie_group" }, { remove = "Authorization" },
]
[edge.site.location.cache]
ttl = "1m"
fields = { ignore = ["X-Visitor"], split = ["X-Group"] }
cookies = { ignore = ["group"] }
"#;

both_topologies!(fields_go_to_the_application, TO_THE_APPLICATION);
fn fields_go_to_the_application(stack: &Stack) {
    let mut client = stack.connect();
    let sent =
        [("Authorization", "Bearer x"), ("X-Edge", "forged"), ("X-Empty", "forged"), ("X-Scheme", "forged")];
    let seen = client.ask("GET", "/plain/echo-environ?x=7", &sent, b"").expect(200).json();
    assert_eq!(seen["HTTP_X_EDGE"], "e");
    assert_eq!(seen["HTTP_X_SCHEME"], "http");
    assert_eq!(seen["HTTP_X_WHO"], "127.0.0.1:7");
    assert_eq!(seen["HTTP_X_LINE"], "/plain/echo-environ");
    for absent in ["HTTP_X_EMPTY", "HTTP_AUTHORIZATION"] {
        assert_eq!(seen.get(absent), None, "{absent}");
    }
    let split = client.get("/plain/echo-environ/%0D%0AX-Evil:%201").expect(200).json();
    assert_eq!((split.get("HTTP_X_LINE"), split.get("HTTP_X_EVIL")), (None, None));
}

both_topologies!(a_shared_page_is_made_without_what_differs_between_visitors, TO_THE_APPLICATION);
fn a_shared_page_is_made_without_what_differs_between_visitors(stack: &Stack) {
    let mut client = stack.connect();
    let mut ask = |field: &str, cookie: &str| {
        let target = format!("/shared/count/{field}?body=field:{field}");
        let response =
            client.ask("GET", &target, &[("Cookie", cookie), ("Authorization", "Basic eA==")], b"");
        (response.text(), response.cache_status().contains("; hit"))
    };
    // It is alike for all who have this key.
    assert_eq!(ask("X-Host", ""), ("1 X-Host=localhost\n".to_owned(), false));
    assert_eq!(ask("X-Host", ""), ("1 X-Host=localhost\n".to_owned(), true));
    assert_eq!(ask("X-Edge", ""), ("1 X-Edge=e\n".to_owned(), false));
    // Ignored: not sent while the page is made.
    assert_eq!(ask("X-Visitor", "").0, "1 X-Visitor=None\n");
    assert!(ask("X-Visitor", "").1);
    // Split: one page for each value.
    assert_eq!(ask("X-Group", "group=a"), ("1 X-Group=a\n".to_owned(), false));
    assert_eq!(ask("X-Group", "group=b"), ("2 X-Group=b\n".to_owned(), false));
    assert_eq!(ask("X-Group", "group=a"), ("1 X-Group=a\n".to_owned(), true));
}
