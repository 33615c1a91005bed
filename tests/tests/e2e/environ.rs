//! Requests go through Debian's nginx with its `uwsgi_params` and through Weir to the same uWSGI: the
//! variables are the same, key by key, but for those in `docs/environ.md`.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_tests::{App, Client, Nginx, Setup, Stack, both_topologies};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["shop.example", "www.shop.example"]
root = "/srv/www"
[[edge.site.location]]
match = "/"
pool = "app"
"#;

fn nginx(stack: &Stack) -> Nginx {
    let address = stack.app.address().replace("uwsgi://", "");
    Nginx::start(&format!(
        "server_name shop.example www.shop.example;\nroot /srv/www;\n\
         location / {{ include /etc/nginx/uwsgi_params; uwsgi_pass {address}; }}"
    ))
}

type Environ = BTreeMap<String, Value>;

fn seen(mut client: Client, request: &str) -> Environ {
    client.send(request);
    let method = request.split(' ').next().unwrap_or_default();
    let response = client.response(method);
    assert_eq!(response.status, 200, "{request:?}: {response:?}");
    serde_json::from_slice(&response.body).unwrap()
}

/// What differs by server and connection: never the same twice.
fn is_incidental(name: &str) -> bool {
    ["REMOTE_PORT", "SERVER_PORT"].contains(&name)
        || name.starts_with("wsgi.")
        || name.starts_with("uwsgi.")
        || name.starts_with("x-wsgi")
}

const REQUESTS: &[&str] = &[
    "GET /echo-environ HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "GET /echo-environ? HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "GET /echo-environ?a=%C3%A4&b=c%20d;e?f HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "GET /echo-environ/%C3%A4%20b/%2541/a+b HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "GET //a/./b/../echo-environ//x%2Fy HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "GET /echo-environ/%ff HTTP/1.1\r\nHost: www.shop.example\r\n\r\n",
    "GET /echo-environ HTTP/1.0\r\nHost: shop.example\r\n\r\n",
    "OPTIONS /echo-environ HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "DELETE /echo-environ HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic x\r\n\r\n",
    "POST /echo-environ HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n",
    "POST /echo-environ HTTP/1.1\r\nHost: shop.example\r\nContent-Type: text/x\r\nContent-Length: 3\r\n\r\nabc",
    "POST /echo-environ HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET /echo-environ HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nAccept-Language: de\r\nX-Empty:\r\nX-Blank:  a b \r\n\
     Cookie: a=1; b=2\r\nUser-Agent: t\r\nReferer: http://x/\r\nX-Latin: caf\u{e9}\r\nIf-None-Match: \"x\"\r\nRange: bytes=0-\r\n\r\n",
    "GET /echo-environ HTTP/1.1\r\nHost: shop.example\r\nX-Many: 1\r\nX_Under: 1\r\n\
     X-Real_IP: 1\r\nUWSGI-FILE: /x\r\nRemote-User: root\r\n\r\n",
];

both_topologies!(the_variables_are_those_of_nginx, Setup::new(SETTINGS, App::Oracle));
fn the_variables_are_those_of_nginx(stack: &Stack) {
    let nginx = nginx(stack);
    for request in REQUESTS {
        let (theirs, ours) = (seen(nginx.connect(), request), seen(stack.connect(), request));
        let names = theirs.keys().chain(ours.keys()).filter(|name| !is_incidental(name));
        for name in names {
            // Weir's own, said to every application.
            if matches!(
                name.as_str(),
                "HTTP_CONNECTION" | "HTTP_CONTENT_LENGTH" | "HTTP_CONTENT_TYPE" | "HTTP_TRACEPARENT"
            ) {
                continue;
            }
            // nginx hands a chunked body's coding on, though the body is no longer chunked.
            if name == "HTTP_TRANSFER_ENCODING" {
                assert_eq!(ours.get(name), None);
                continue;
            }
            // nginx sends it as it came; dot segments could lead past an internal location.
            if name == "REQUEST_URI" && request.contains("/./") {
                assert!(!ours[name].to_string().contains("/."), "{request:?}");
                continue;
            }
            assert_eq!(ours.get(name), theirs.get(name), "{name} of {request:?}");
        }
        assert_eq!(ours["HTTP_CONNECTION"], "close");
        for absent in ["HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"] {
            assert_eq!(ours.get(absent), None, "{request:?}");
        }
    }
}

/// A field, and what nginx and Weir make of it: the table in docs/environ.md.
const DIFFERENT: &[(&str, &str, Option<&str>, Option<&str>)] = &[
    ("Proxy: http://evil", "HTTP_PROXY", Some("http://evil"), None),
    ("X-Forwarded-For: 6.6.6.6", "HTTP_X_FORWARDED_FOR", Some("6.6.6.6"), None),
    ("X-Forwarded-Proto: https", "HTTP_X_FORWARDED_PROTO", Some("https"), None),
    ("X-Forwarded-Ssl: on", "HTTP_X_FORWARDED_SSL", Some("on"), None),
    ("X-Forwarded-Host: evil", "HTTP_X_FORWARDED_HOST", Some("evil"), None),
    ("Forwarded: for=6.6.6.6", "HTTP_FORWARDED", Some("for=6.6.6.6"), None),
    ("X-Real-IP: 6.6.6.6", "HTTP_X_REAL_IP", Some("6.6.6.6"), None),
    ("Connection: keep-alive", "HTTP_CONNECTION", Some("keep-alive"), Some("close")),
    ("TE: trailers", "HTTP_TE", Some("trailers"), None),
    ("Keep-Alive: 5", "HTTP_KEEP_ALIVE", Some("5"), None),
    ("Upgrade: h2c", "HTTP_UPGRADE", Some("h2c"), None),
    ("Content-Type: a/b", "HTTP_CONTENT_TYPE", Some("a/b"), None),
    // Debian's uwsgi_params leaves the port out, nginx's own does not.
    ("Host: shop.example:8080", "HTTP_HOST", Some("shop.example"), Some("shop.example:8080")),
    ("Host: SHOP.example", "HTTP_HOST", Some("shop.example"), Some("SHOP.example")),
];

both_topologies!(the_differences_are_those_of_the_table, Setup::new(SETTINGS, App::Oracle));
fn the_differences_are_those_of_the_table(stack: &Stack) {
    let nginx = nginx(stack);
    for (field, name, theirs, ours) in DIFFERENT {
        let host = if field.starts_with("Host:") { "" } else { "Host: shop.example\r\n" };
        let request = format!("GET /echo-environ HTTP/1.1\r\n{host}{field}\r\n\r\n");
        for (who, client, expected) in [("nginx", nginx.connect(), theirs), ("Weir", stack.connect(), ours)] {
            let value = seen(client, &request).get(*name).and_then(|value| value.as_str().map(str::to_owned));
            assert_eq!(value.as_deref(), *expected, "{who}: {name} of {field:?}");
        }
    }
    // nginx joins lines of one name only since 1.23; before, the last one counts.
    let repeated = "GET /echo-environ HTTP/1.1\r\nHost: shop.example\r\nX-Many: 1\r\nX-Many: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n";
    let joined = seen(stack.connect(), repeated);
    assert_eq!((&joined["HTTP_X_MANY"], &joined["HTTP_COOKIE"]), (&"1, 2".into(), &"a=1; b=2".into()));
    // uWSGI believes what nginx hands on.
    let spoofed = "GET /echo-environ HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: https\r\n\r\n";
    assert_eq!(seen(nginx.connect(), spoofed)["wsgi.url_scheme"], "https");
    assert_eq!(seen(stack.connect(), spoofed)["wsgi.url_scheme"], "http");
}

const MOUNTED: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/shop"
pool = "app"
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
mount = "/shop"
variables = { SITE_ID = "7", SERVER_NAME = "shop.internal" }
"#;

both_topologies!(a_mount_and_variables_of_the_settings, Setup::new(MOUNTED, App::ValidatedOracle));
fn a_mount_and_variables_of_the_settings(stack: &Stack) {
    for (path, script, info) in [
        ("/shop/echo-environ/x%20y", "/shop", "/echo-environ/x y"),
        ("/shopping/echo-environ", "", "/shopping/echo-environ"),
    ] {
        let seen = stack.get_with(path, &[("Site-Id", "8")]).expect(200).json();
        assert_eq!((&seen["SCRIPT_NAME"], &seen["PATH_INFO"]), (&script.into(), &info.into()), "{path}");
        assert_eq!(seen["REQUEST_URI"], path);
        assert_eq!((&seen["SITE_ID"], &seen["HTTP_SITE_ID"]), (&"7".into(), &"8".into()));
        assert_eq!(seen["SERVER_NAME"], "shop.internal");
    }
}
