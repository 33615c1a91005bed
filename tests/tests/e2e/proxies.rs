//! Behind other proxies: host, scheme, port and client as a trusted one tells them, for the site, the cache
//! key and the application.

use serde_json::Value;
use weir_tests::{AppServer, Location, Settings, Stack, both_topologies, site};

const TRUSTING: &str = r#"
trusted_proxies = ["127.0.0.1/32"]
[[edge.site]]
server_name = ["a.example"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site]]
server_name = ["b.example"]
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
"#;

fn untrusting() -> Settings {
    site([Location::cached("/cached/", "60s")])
}

const ENVIRON: &str = "/cached/echo-environ?h=Cache-Control:public";

fn environ(stack: &Stack, target: &str, fields: &[(&str, &str)]) -> Value {
    stack.get_with(target, fields).expect(200).json()
}

both_topologies!(two_sites_behind_one_balancer_share_nothing, TRUSTING);
fn two_sites_behind_one_balancer_share_nothing(stack: &Stack) {
    for (host, seen) in
        [("a.example", "a.example"), ("b.example", "b.example"), ("B.example, inner:8080", "b.example")]
    {
        let page = environ(stack, ENVIRON, &[("X-Forwarded-Host", host)]);
        assert_eq!((&page["HTTP_HOST"], &page["SERVER_NAME"]), (&seen.into(), &seen.into()), "{host}");
    }
    // The site is the one told: only the first has anything at this path.
    for (host, status) in [("a.example", 200), ("b.example", 404)] {
        stack.get_with("/count/a", &[("X-Forwarded-Host", host)]).expect(status);
    }
    stack.get_with("/count/a", &[("X-Forwarded-Host", "a b")]).expect(400);
}

fn within_site() -> String {
    format!("forwarded_host = \"within_site\"\n{TRUSTING}")
}

fn not_told() -> String {
    format!("forwarded_host = \"off\"\n{TRUSTING}")
}

/// What the application sees as Host, for these Host and X-Forwarded-Host. The second site has nothing there.
fn told(stack: &Stack, host: &str, forwarded: &str) -> Option<String> {
    let mut client = stack.connect();
    client
        .send(format!("GET /echo-environ HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {forwarded}\r\n\r\n"));
    let response = client.response("GET");
    (response.status == 200).then(|| response.json()["HTTP_HOST"].as_str().unwrap().to_owned())
}

// Balancers such as AWS's and Cloudflare hand on what clients write into X-Forwarded-Host: what they guard
// by its host would be walked past.
both_topologies!(x_forwarded_host_leads_nobody_away_from_a_site_that_host_names, TRUSTING);
fn x_forwarded_host_leads_nobody_away_from_a_site_that_host_names(stack: &Stack) {
    for (host, forwarded, seen) in [
        ("a.example", "b.example", Some("a.example")),
        ("A.example.:80", "b.example:80", Some("a.example")),
        ("b.example", "a.example", None),
        ("a.example", "a.example:9000", Some("a.example:9000")),
        ("inner", "a.example", Some("a.example")),
        ("inner", "b.example", None),
    ] {
        let found = told(stack, host, forwarded);
        let found = found.as_deref().map(|found| found.trim_end_matches(":80").trim_end_matches('.'));
        assert_eq!(found.map(str::to_ascii_lowercase).as_deref(), seen, "{host}, {forwarded}");
    }
}

both_topologies!(x_forwarded_host_chooses_no_site_where_settings_say_so, within_site());
fn x_forwarded_host_chooses_no_site_where_settings_say_so(stack: &Stack) {
    for (host, forwarded, seen) in [
        ("inner", "a.example", Some("a.example")),
        ("inner", "b.example", Some("inner")),
        ("a.example", "b.example", Some("a.example")),
        ("b.example", "a.example", None),
    ] {
        assert_eq!(told(stack, host, forwarded).as_deref(), seen, "{host}, {forwarded}");
    }
}

both_topologies!(x_forwarded_host_is_removed_where_settings_say_so, not_told());
fn x_forwarded_host_is_removed_where_settings_say_so(stack: &Stack) {
    for host in ["a.example", "inner"] {
        assert_eq!(told(stack, host, "a.example:9000").as_deref(), Some(host));
    }
}

both_topologies!(the_scheme_is_what_the_nearest_trusted_proxy_says, TRUSTING);
fn the_scheme_is_what_the_nearest_trusted_proxy_says(stack: &Stack) {
    let https: &[&[(&str, &str)]] = &[
        &[("X-Forwarded-Proto", "https")],
        &[("X-Forwarded-Proto", "HTTPS")],
        &[("X-Forwarded-Proto", "https, http")],
        &[("X-Forwarded-Proto", "http"), ("X-Forwarded-Proto", "https")],
        &[("Front-End-Https", "on")],
        &[("X-Forwarded-Ssl", "on")],
        &[("X-Scheme", "https")],
        &[("X-Url-Scheme", "https")],
        &[("Fastly-SSL", "1")],
        &[("CloudFront-Forwarded-Proto", "https")],
    ];
    let http: &[&[(&str, &str)]] = &[
        &[],
        &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
        &[("X-Forwarded-Proto", "http"), ("Front-End-Https", "on"), ("Fastly-SSL", "1")],
    ];
    for (cases, scheme) in [(https, "https"), (http, "http")] {
        for fields in cases {
            let host = ("X-Forwarded-Host", "a.example");
            let fields: Vec<_> = fields.iter().chain([&host]).copied().collect();
            for target in ["/echo-environ", ENVIRON] {
                let seen = environ(stack, target, &fields);
                assert_eq!(seen["wsgi.url_scheme"], scheme, "{target} {fields:?}");
                let said = seen["HTTP_X_FORWARDED_PROTO"].as_str().unwrap_or(scheme);
                assert_eq!(said, scheme, "{target} {fields:?}");
            }
        }
    }
}

both_topologies!(what_others_say_of_their_scheme_and_host_changes_nothing, untrusting());
fn what_others_say_of_their_scheme_and_host_changes_nothing(stack: &Stack) {
    let lies = [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "666"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Front-End-Https", "on"),
        ("X-Scheme", "https"),
        ("X-Url-Scheme", "https"),
        ("X-Forwarded-Ssl", "on"),
        ("Fastly-SSL", "1"),
        ("CloudFront-Forwarded-Proto", "https"),
    ];
    for lie in lies {
        let target = format!("{ENVIRON}&{}", lie.0);
        let liar = stack.get_with(&target, &[lie]).expect(200);
        let seen = liar.json().to_string();
        let name = format!("HTTP_{}", lie.0.to_uppercase().replace('-', "_"));
        assert!(!seen.contains("evil") && !seen.contains("\"https\""), "{lie:?}: {seen}");
        let told = &liar.json()[&name];
        assert!(told.is_null() || told == "http", "{lie:?} is told: {told}");
        assert_eq!(stack.get(&target).expect(200).text(), liar.text(), "{lie:?}");
    }
}

both_topologies!(a_port_that_a_trusted_proxy_tells_is_part_of_the_url, TRUSTING);
fn a_port_that_a_trusted_proxy_tells_is_part_of_the_url(stack: &Stack) {
    for (port, host) in [("8443", "a.example:8443"), ("443", "a.example"), ("9443", "a.example:9443")] {
        let fields =
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Port", port)];
        for target in ["/echo-environ", ENVIRON] {
            let seen = environ(stack, target, &fields);
            assert_eq!((&seen["HTTP_HOST"], &seen["SERVER_PORT"]), (&host.into(), &port.into()), "{target}");
        }
    }
}

both_topologies!(empty_elements_name_no_client, TRUSTING);
fn empty_elements_name_no_client(stack: &Stack) {
    for chain in ["203.0.113.9, ", "203.0.113.9,,", "6.6.6.6, 203.0.113.9, ,"] {
        let fields = [("X-Forwarded-For", chain), ("X-Forwarded-Host", "a.example")];
        assert_eq!(environ(stack, "/echo-environ", &fields)["REMOTE_ADDR"], "203.0.113.9", "{chain}");
    }
}

const LINKS: &str = r#"
listen = ["$HTTP"]
trusted_proxies = ["127.0.0.1/32"]
[[edge.site]]
server_name = ["a.example"]
[[edge.site.location]]
match = "/uwsgi/"
pool = "uwsgi"
[[edge.site.location]]
match = "/waitress/"
pool = "waitress"
[[edge.site.location]]
match = "/cached/"
pool = "waitress"
[edge.site.location.cache]
ttl = "60s"
[[wsgi_adapter.pool]]
name = "uwsgi"
servers = ["$APP"]
[[wsgi_adapter.pool]]
name = "waitress"
servers = ["http://127.0.0.1:$PORT"]
"#;

/// The port of the listener is nobody's business: it may stand behind a mapped port, or behind a proxy.
fn url(environ: &Value) -> String {
    let text = |name: &str| environ[name].as_str().unwrap_or_default().to_owned();
    format!("{}://{}", text("wsgi.url_scheme"), text("HTTP_HOST"))
}

/// Host, what the proxy tells besides, the site's URL, and its port.
type LinkCase = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

both_topologies!(links_are_right_whatever_the_protocol_to_the_server, LINKS);
fn links_are_right_whatever_the_protocol_to_the_server(stack: &Stack) {
    let fields = "x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port";
    let trusting = ["--trusted-proxy=127.0.0.1", &format!("--trusted-proxy-headers={fields}")];
    let _server = AppServer::waitress(stack.port, &trusting);
    const HTTPS: (&str, &str) = ("X-Forwarded-Proto", "https");
    const CASES: &[LinkCase] = &[
        ("a.example", &[], "http://a.example", "80"),
        ("a.example", &[HTTPS], "https://a.example", "443"),
        ("a.example:8080", &[], "http://a.example:8080", "8080"),
        ("a.example:8443", &[HTTPS], "https://a.example:8443", "8443"),
        ("inner", &[("X-Forwarded-Host", "a.example:9000")], "http://a.example:9000", "9000"),
        ("inner", &[HTTPS, ("X-Forwarded-Host", "a.example")], "https://a.example", "443"),
        ("a.example", &[HTTPS, ("X-Forwarded-Port", "443")], "https://a.example", "443"),
        ("a.example", &[HTTPS, ("X-Forwarded-Port", "8443")], "https://a.example:8443", "8443"),
        ("a.example", &[("X-Forwarded-Port", "80")], "http://a.example", "80"),
    ];
    for (host, fields, expected, port) in CASES {
        for location in ["uwsgi", "waitress", "cached"] {
            let mut request = format!("GET /{location}/echo-environ HTTP/1.1\r\nHost: {host}\r\n");
            fields.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
            let mut client = stack.connect();
            client.send(request + "\r\n");
            let seen = client.response("GET").expect(200).json();
            assert_eq!(url(&seen), *expected, "{location} {host} {fields:?}");
            if location != "uwsgi" {
                assert_eq!(seen["SERVER_PORT"], *port, "{location} {host} {fields:?}");
            }
        }
    }
}

const RULED: &str = r#"
[[edge.site]]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location.rule]]
when = { "$http_x_forwarded_for" = "~ ^203\\.0\\.113\\." }
return = "403"
"#;

fn known() -> String {
    format!("untrusted_variables = true\n{RULED}")
}

/// Asks on behalf of a client: the status, and what the application is told.
fn on_behalf(stack: &Stack, client: &str) -> (u16, String) {
    let response = stack.get_with("/echo-environ", &[("X-Forwarded-For", client)]);
    (response.status, response.text())
}

both_topologies!(what_nobody_is_trusted_to_say_is_empty, RULED);
fn what_nobody_is_trusted_to_say_is_empty(stack: &Stack) {
    assert_eq!(on_behalf(stack, "203.0.113.9").0, 200);
}

both_topologies!(rules_know_what_nobody_is_trusted_to_say_where_settings_want_it, known());
fn rules_know_what_nobody_is_trusted_to_say_where_settings_want_it(stack: &Stack) {
    assert_eq!(on_behalf(stack, "203.0.113.9").0, 403);
    let (status, told) = on_behalf(stack, "198.51.100.7");
    assert_eq!(status, 200);
    assert!(!told.contains("198.51.100.7"), "{told}");
}
