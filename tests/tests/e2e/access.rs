//! Who may have an answer: the same decisions as nginx, in both topologies.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use http::Request;
use weir_tests::{Client, Http2, Location, Nginx, Settings, Stack, Topology, both_topologies, site};

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

pub(super) fn http2_listener() -> toml::Value {
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
