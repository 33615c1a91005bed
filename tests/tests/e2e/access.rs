//! Who may have an answer, and how much of it: the same decisions as nginx, in both topologies.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use weir_tests::{
    Client, Http2, Location, Nginx, Response, Settings, Stack, Topology, both_topologies,
    once_measured_within, site, until,
};

/// "secret" in all kinds of hashes that nginx knows too, and two that it does not.
const USERS: &str = "\
# name:hash
apr:$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0:a comment
sha256:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA
sha512:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1
sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
ssha:{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==
plain:{PLAIN}secret
bcrypt:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW
";

/// "Basic …" for a name and password.
fn basic(credentials: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::from("Basic ");
    for three in credentials.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, n| bits << 8 | u32::from(*three.get(n).unwrap_or(&0)));
        for n in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * n) & 63) as usize] as char;
            encoded.push(if n <= three.len() { letter } else { '=' });
        }
    }
    encoded
}

const ADDRESSES: &[(&str, &[&str])] = &[
    ("/all/", &["deny 127.0.0.2", "allow 127.0.0.0/30", "deny all"]),
    ("/open/", &["deny 127.0.0.2"]),
    ("/closed/", &["deny all"]),
    ("/first/", &["allow 127.0.0.0/8", "deny 127.0.0.1"]),
    ("/v6/", &["allow ::1", "deny all"]),
];

fn guarded() -> Settings {
    let mut locations = vec![Location::files("/", "$DIR/"), Location::cached("/app/", "60s")];
    for (path, rules) in ADDRESSES {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        locations.push(Location::files(path, "$DIR/").with("access", rules.clone()));
        locations.push(Location::cached(&format!("/app{path}"), "60s").with("access", rules));
    }
    site(locations).with("edge.listen", vec!["$HTTP"])
}

both_topologies!(addresses_are_allowed_and_denied_as_in_nginx, guarded());
fn addresses_are_allowed_and_denied_as_in_nginx(stack: &Stack) {
    fs::write(stack.directory().join("a.txt"), "a").unwrap();
    let locations: String = ADDRESSES
        .iter()
        .map(|(path, rules)| {
            let rules: String = rules.iter().map(|rule| format!("{rule};")).collect();
            format!("location {path} {{ alias {}/; {rules} }}\n", stack.directory().display())
        })
        .collect();
    let nginx = Nginx::start(&locations);
    let nginx = SocketAddr::from(([127, 0, 0, 1], nginx.port()));
    for (path, _) in ADDRESSES {
        // Twice: the second time from memory.
        for source in ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9", "127.0.0.1", "127.0.0.2"] {
            let source: IpAddr = source.parse().unwrap();
            let theirs = Client::connect_from(source, nginx).get(&format!("{path}a.txt")).status;
            let ours = Client::connect_from(source, stack.http()).get(&format!("{path}a.txt")).status;
            assert_eq!(ours, theirs, "{path} {source}");
            let page = Client::connect_from(source, stack.http()).get(&format!("/app{path}count/page"));
            assert_eq!(page.status, theirs, "/app{path} {source}");
            assert!(page.status == 200 || page.field("cache-status").is_none());
        }
    }
}

fn with_passwords(topology: &str) -> Settings {
    let file = std::env::temp_dir().join(format!("weir-access-{}-{topology}", std::process::id()));
    fs::write(&file, USERS).unwrap();
    let table = |pass: bool| {
        let text = format!("t = {{ realm = 'Staging \"1\"', file = '{}', pass = {pass} }}", file.display());
        text.parse::<toml::Table>().unwrap()["t"].clone()
    };
    let rules = vec!["allow 127.0.0.2", "deny all"];
    site([
        Location::files("/files/", "$DIR/").with("auth_basic", table(false)),
        Location::cached("/app/", "60s").with("auth_basic", table(false)),
        Location::cached("/pass/", "60s").with("auth_basic", table(true)),
        Location::files("/any/", "$DIR/")
            .with("auth_basic", table(false))
            .with("access", rules.clone())
            .with("satisfy", "any"),
        Location::files("/both/", "$DIR/").with("auth_basic", table(false)).with("access", rules),
        Location::passed("/"),
    ])
    .with("edge.listen", vec![http2_listener()])
}

fn http2_listener() -> toml::Value {
    "t = { address = '$HTTP', http2 = true }".parse::<toml::Table>().unwrap()["t"].clone()
}

both_topologies!(passwords_are_asked_for_as_in_nginx, with_passwords("nginx"));
fn passwords_are_asked_for_as_in_nginx(stack: &Stack) {
    let root = stack.directory().to_owned();
    fs::write(root.join("a.txt"), "a").unwrap();
    fs::write(root.join("users"), USERS).unwrap();
    let auth = format!("auth_basic 'Staging'; auth_basic_user_file {0}/users; alias {0}/;", root.display());
    let addresses = "allow 127.0.0.2; deny all;";
    let nginx = Nginx::start(&format!(
        "location /files/ {{ {auth} }}\nlocation /any/ {{ satisfy any; {addresses} {auth} }}\n\
         location /both/ {{ {addresses} {auth} }}"
    ));
    let nginx = SocketAddr::from(([127, 0, 0, 1], nginx.port()));
    let mut compared = 0;
    for path in ["/files/", "/any/", "/both/"] {
        for source in ["127.0.0.1", "127.0.0.2"] {
            let credentials = ["apr", "sha256", "sha512", "sha", "ssha", "plain", "bcrypt"];
            let right = credentials.map(|user| basic(&format!("{user}:secret")));
            let wrong = ["apr:Secret", "sha:", "nobody:secret", ":secret", "sha"].map(basic);
            let odd = ["", "Basic", "Basic !!", "Bearer x", "basic YXByOnNlY3JldA=="].map(str::to_owned);
            for sent in right.iter().chain(&wrong).chain(&odd) {
                let ask = |address| {
                    let mut client = Client::connect_from(source.parse().unwrap(), address);
                    client.ask("GET", &format!("{path}a.txt"), &[("authorization", sent)], b"")
                };
                let (ours, theirs) = (ask(stack.http()), ask(nginx));
                assert_eq!(ours.status, theirs.status, "{path} {source} {sent}");
                assert_eq!(
                    ours.field("www-authenticate").is_some(),
                    theirs.field("www-authenticate").is_some(),
                    "{path} {source} {sent}"
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * 2 * 17);
    let asked = stack.get("/files/a.txt").expect(401);
    assert_eq!(asked.field("www-authenticate"), Some("Basic realm=\"Staging \\\"1\\\"\", charset=\"UTF-8\""));
}

both_topologies!(a_page_behind_a_password_is_shared_by_those_who_have_one, with_passwords("shared"));
fn a_page_behind_a_password_is_shared_by_those_who_have_one(stack: &Stack) {
    let ask = |target: &str, user: &str| {
        let authorization = basic(&format!("{user}:secret"));
        stack.get_with(target, &[("authorization", &authorization)])
    };
    let first = ask("/app/count/page?body=who", "sha").expect(200);
    assert!(first.text().contains("authorization=None"), "{}", first.text());
    let second = ask("/app/count/page?body=who", "apr").expect(200).expect_cache(&["hit"]);
    assert_eq!(first.body, second.body);
    for sent in [None, Some(basic("apr:wrong"))] {
        let fields: Vec<_> = sent.iter().map(|sent| ("authorization", sent.as_str())).collect();
        stack.get_with("/app/count/page?body=who", &fields).expect(401);
    }
    let mut two = Http2::connect(stack.http());
    let url = "http://localhost/app/count/page?body=who";
    two.ask(Request::get(url).body(()).unwrap(), b"").unwrap().expect(401);
    let request = Request::get(url).header("authorization", basic("ssha:secret")).body(()).unwrap();
    two.ask(request, b"").unwrap().expect(200).expect_cache(&["hit"]);

    // Where the application gets the credentials, the page is the visitor's own.
    for user in ["sha", "apr"] {
        let page = ask("/pass/count/own?body=who", user).expect(200);
        let seen = format!("authorization={}", basic(&format!("{user}:secret")));
        assert!(page.text().contains(&seen), "{}", page.text());
    }
}

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

fn behind_a_proxy() -> Settings {
    site([Location::cached("/cached/", "60s"), Location::passed("/")])
        .with("edge.trusted_proxies", vec!["127.0.0.1"])
        .with("edge.real_ip_header", "proxy_protocol")
        .with(
            "edge.listen",
            vec![
                "t = { address = '$HTTP', proxy_protocol = true, http2 = true }"
                    .parse::<toml::Table>()
                    .unwrap()["t"]
                    .clone(),
            ],
        )
}

/// What the application sees as the client's address, for a connection that begins with these bytes.
fn seen_address(stack: &Stack, begins: &[u8]) -> Option<String> {
    let mut client = stack.connect();
    client.send(
        [begins, b"GET /echo-environ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"]
            .concat(),
    );
    Some(client.try_response("GET")?.expect(200).json()["REMOTE_ADDR"].as_str()?.to_owned())
}

#[test]
fn the_proxy_protocol_names_the_client() {
    for topology in [Topology::OneProcess, Topology::Split] {
        let stack = &Stack::start(topology, behind_a_proxy());
        let binary = |address: [u8; 4]| {
            let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
            header.write_all(&address).unwrap();
            header.write_all(&[127, 0, 0, 1, 0x12, 0x34, 0, 80]).unwrap();
            header
        };
        for (begins, address) in [
            (b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 80\r\n".to_vec(), Some("203.0.113.9")),
            (b"PROXY TCP6 2001:db8::1 ::1 5000 80\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Some("127.0.0.1")),
            (binary([203, 0, 113, 10]), Some("203.0.113.10")),
            (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), Some("127.0.0.1")),
            (b"".to_vec(), None),
            (b"PROXY TCP4 nonsense\r\n".to_vec(), None),
        ] {
            assert_eq!(
                seen_address(stack, &begins).as_deref(),
                address,
                "{:?}",
                String::from_utf8_lossy(&begins)
            );
        }
        // Somebody who is no trusted proxy is not heard.
        let mut stranger = Client::connect_from("127.0.0.9".parse().unwrap(), stack.http());
        let _ = stranger.try_send(
            "PROXY TCP4 203.0.113.9 127.0.0.1 5000 80\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
        assert!(stranger.try_response("GET").is_none());
        // Two requests of one connection, the second from memory.
        let mut client = stack.connect();
        client.send(binary([203, 0, 113, 11]));
        client.get("/cached/count/page").expect(200);
        client.get("/cached/count/page").expect(200).expect_cache(&["hit"]);
    }
}

/// Files that are tried behind a password, and a location within that says nothing of passwords.
fn with_tried_files() -> String {
    let file = std::env::temp_dir().join(format!("weir-access-{}-tried", std::process::id()));
    fs::write(&file, USERS).unwrap();
    format!(
        "[[edge.site]]\nserver_name = [\"localhost\"]\nroot = \"$DIR\"\n[[edge.site.location]]\nmatch = \"/\"\n\
         auth_basic = {{ realm = \"r\", file = \"{}\" }}\ntry_files = [\"$uri\", \"$uri.txt\", \"=404\"]\n\
         location = [{{ match = \"/in/\", try_files = [\"$uri\", \"=404\"] }}]\n",
        file.display()
    )
}

both_topologies!(a_password_stands_before_the_files_that_are_tried, with_tried_files());
fn a_password_stands_before_the_files_that_are_tried(stack: &Stack) {
    fs::create_dir_all(stack.directory().join("in")).unwrap();
    for file in ["a.txt", "in/b.txt"] {
        fs::write(stack.directory().join(file), "a file").unwrap();
    }
    let authorization = basic("sha:secret");
    for (target, status) in
        [("/a.txt", 200), ("/a", 200), ("/none", 404), ("/in/b.txt", 200), ("/in/none", 404)]
    {
        // Without the password nobody learns whether there is a file.
        stack.get(target).expect(401);
        stack.get_with(target, &[("authorization", &authorization)]).expect(status);
    }
}
