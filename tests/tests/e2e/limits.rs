//! How much one may have of answers, and how often: the same decisions as nginx, in both topologies.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use weir_tests::{
    Client, Http2, Location, Nginx, Response, Settings, Stack, both_topologies, once_measured_within, site,
    until,
};

use crate::access::http2_listener;

fn with_limits() -> Settings {
    let text = r#"
        [edge.limit_zones]
        one = { rate = "2r/s" }
        many = { rate = "100r/s" }
        field = { rate = "1r/m", key = "$http_x_key" }
        places = {}
        [l]
        plain = [{ zone = "one" }]
        burst = [{ zone = "one", burst = 3, nodelay = true, status = 429 }]
        delay = [{ zone = "one", burst = 4, delay = 2 }]
        several = [{ zone = "many", burst = 5, nodelay = true }, { zone = "one", burst = 1, nodelay = true }]
        field = [{ zone = "field", status = 429 }]
        dry = [{ zone = "one", dry_run = true }]
        conn = [{ zone = "places", connections = 2 }]
    "#;
    let mut tables: toml::Table = text.parse().unwrap();
    let limits = tables.remove("l").unwrap();
    let zones = tables["edge"]["limit_zones"].clone();
    let limit = |name: &str| limits[name].clone();
    site([
        Location::files("/plain/", "$DIR/").with("limit_req", limit("plain")),
        Location::files("/burst/", "$DIR/").with("limit_req", limit("burst")),
        Location::files("/delay/", "$DIR/").with("limit_req", limit("delay")),
        Location::files("/several/", "$DIR/").with("limit_req", limit("several")),
        Location::files("/dry/", "$DIR/").with("limit_req", limit("dry")),
        Location::cached("/field/", "60s").with("limit_req", limit("field")),
        Location::cached("/conn/", "60s").with("limit_conn", limit("conn")),
        Location::files("/rate/", "$DIR/").with("limit_rate", "20KiB").with("limit_rate_after", "10KiB"),
        Location::passed("/"),
    ])
    .with("edge.limit_zones", zones)
    .with("edge.listen", vec![http2_listener()])
}

/// The statuses of `count` requests, one after another as fast as they come, from one address.
fn statuses(address: SocketAddr, source: &str, path: &str, count: usize) -> Vec<u16> {
    let mut client = Client::connect_from(source.parse().unwrap(), address);
    (0..count).map(|_| client.get(&format!("{path}a.txt")).status).collect()
}

both_topologies!(requests_in_a_time_are_limited_as_in_nginx, with_limits());
fn requests_in_a_time_are_limited_as_in_nginx(stack: &Stack) {
    let root = stack.directory().to_owned();
    fs::write(root.join("a.txt"), "a").unwrap();
    let alias = format!("alias {}/;", root.display());
    // The zones stand in `http`, so the server's text closes and opens blocks around them.
    let nginx = Nginx::start(&format!(
        "}}\nlimit_req_zone $binary_remote_addr zone=one:1m rate=2r/s;\n\
         limit_req_zone $binary_remote_addr zone=many:1m rate=100r/s;\nserver {{ listen 127.0.0.1:$PORT; server_name localhost;\n\
         location /plain/ {{ {alias} limit_req zone=one; }}\n\
         location /burst/ {{ {alias} limit_req zone=one burst=3 nodelay; limit_req_status 429; }}\n\
         location /delay/ {{ {alias} limit_req zone=one burst=4 delay=2; }}\n\
         location /several/ {{ {alias} limit_req zone=many burst=5 nodelay; limit_req zone=one burst=1 nodelay; }}\n\
         location /dry/ {{ {alias} limit_req zone=one; limit_req_dry_run on; }}"
    ));
    let nginx = SocketAddr::from(([127, 0, 0, 1], nginx.port()));
    // Each location with an address of its own, because they share a zone.
    for (n, (path, count)) in
        [("/plain/", 4), ("/burst/", 7), ("/several/", 5), ("/dry/", 5), ("/delay/", 5)].iter().enumerate()
    {
        let source = format!("127.0.1.{}", n + 1);
        let begun = Instant::now();
        let ours = statuses(stack.http(), &source, path, *count);
        let (took, begun) = (begun.elapsed(), Instant::now());
        let theirs = statuses(nginx, &source, path, *count);
        if took < Duration::from_millis(400) || *path == "/delay/" {
            assert_eq!(ours, theirs, "{path}");
        }
        if *path == "/delay/" {
            // The first three pass, the others wait for half a second each.
            assert!(took > Duration::from_millis(900), "{took:?}, nginx {:?}", begun.elapsed());
            assert_eq!(ours, [200; 5]);
        }
    }
    // Its own key, from one address; pages from the cache count too.
    let by_key = |key: &str| stack.get_with("/field/count/page", &[("x-key", key)]).status;
    assert_eq!(["a", "b", "a", "b"].map(by_key), [200, 200, 429, 429]);
    for _ in 0..3 {
        stack.get("/field/count/page").expect(200);
    }
    let mut two = Http2::connect(stack.http());
    let url = format!("http://localhost:{}/field/count/page", stack.http().port());
    let asks = || Request::get(&url).header("x-key", "two").body(()).unwrap();
    two.ask(asks(), b"").unwrap().expect(200);
    two.ask(asks(), b"").unwrap().expect(429);
}

fn with_an_error_log() -> String {
    r#"
limit_zones = { hard = { rate = "1r/m" } }
[[edge.site]]
server_name = ["localhost"]
location = [
    { match = "/own/", pool = "app", limit_req = [{ zone = "hard" }], error_log = [{ to = "$DIR/own.log" }] },
    { match = "/", pool = "app", limit_req = [{ zone = "hard", log_level = "warn" }] },
]
"#
    .to_owned()
}

// As fail2ban's filter nginx-limit-req reads it.
both_topologies!(a_refusal_is_logged_in_nginx_s_words, with_an_error_log());
fn a_refusal_is_logged_in_nginx_s_words(stack: &Stack) {
    stack.get("/count/first").expect(200);
    stack.get("/count/second?a").expect(503);
    stack.get("/own/count/third").expect(503);
    let about = |target: &str| {
        format!(
            ", client: 127.0.0.1, server: localhost, request: \"GET {target} HTTP/1.1\", host: \"localhost\""
        )
    };
    let reached = |line: &str| line.contains("limiting requests, excess: 0.9") || line.contains("excess: 1.");
    until("the process's log has the line", || {
        let log = stack.log();
        let line = log.lines().find(|line| line.contains(&about("/count/second?a")))?.to_owned();
        assert!(line.contains("WARN") && reached(&line) && line.contains("by zone \"hard\""), "{line}");
        Some(())
    });
    let own = stack.directory().join("own.log");
    until("the location's own log has the line", || {
        let log = fs::read_to_string(&own).unwrap_or_default();
        let line = log.lines().find(|line| line.ends_with(&about("/own/count/third")))?.to_owned();
        assert!(line.contains(" [error] ") && line.contains(": *") && reached(&line), "{line}");
        Some(())
    });
    assert!(!stack.log().contains("third"), "it is in its own log");
}

both_topologies!(requests_at_once_are_limited, with_limits());
fn requests_at_once_are_limited(stack: &Stack) {
    let target = |name: &str| format!("/conn/count/{name}?hold=1");
    thread::scope(|scope| {
        let asking: Vec<_> =
            ["a", "b"].map(|name| scope.spawn(move || stack.get(&target(name)).status)).into();
        stack.oracle.wait_for_calls("a", 1);
        stack.oracle.wait_for_calls("b", 1);
        assert_eq!(stack.get(&target("c")).status, 503);
        let other =
            Client::connect_from("127.0.0.7".parse().unwrap(), stack.http()).get("/conn/count/d").status;
        assert_eq!(other, 200, "another address");
        ["a", "b"].iter().for_each(|name| stack.oracle.release_all(name));
        for asked in asking {
            assert_eq!(asked.join().unwrap(), 200);
        }
    });
    // Their places are free again.
    for _ in 0..5 {
        stack.get("/conn/count/e").expect(200);
    }
}

both_topologies!(a_reply_is_sent_at_the_pace_that_it_may_have, with_limits());
fn a_reply_is_sent_at_the_pace_that_it_may_have(stack: &Stack) {
    fs::write(stack.directory().join("a.txt"), vec![b'x'; 70 * 1024]).unwrap();
    let timed = |ask: &dyn Fn() -> Response| {
        let begun = Instant::now();
        assert_eq!(ask().expect(200).body.len(), 70 * 1024);
        begun.elapsed()
    };
    let url = format!("http://localhost:{}/rate/a.txt", stack.http().port());
    let asks: [&dyn Fn() -> Response; 2] =
        [&|| stack.get("/rate/a.txt"), &|| Http2::connect(stack.http()).get(&url)];
    for ask in asks {
        once_measured_within(Duration::from_secs(10), "a paced reply", || {
            let took = timed(ask);
            // 30 KiB at once, then 20 KiB in each second.
            assert!(took > Duration::from_millis(1900), "{took:?}");
            took
        });
    }
}
