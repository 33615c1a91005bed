//! Whole sites as people run them: a single-page application before an API, a maintenance page by file, the
//! usual PHP site with `try_files`.

use std::fs;

use weir_tests::{AppServer, Http2, Stack, Topology, both_topologies};

fn write(stack: &Stack, name: &str, text: &str) {
    let path = stack.directory().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

const SPA: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
files = { valid = "10ms" }
[[edge.site]]
server_name = ["localhost"]
root = "$DIR/www"
error_page = { "502 503 504" = "/down.html" }
rule = [
  { when = { file = "$DIR/maintenance" }, return = 503 },
  { when = { host = "~ ^www\\.(.+)$" }, return = "301 http://$1$request_uri" },
]
location = [
  { match = "/", try_files = ["$uri", "/index.html"] },
  { match = "/assets/", expires = "max", log_not_found = false },
  { match = "/api/", pool = "app", cache = { ttl = "60s" } },
  { match = "/api/raw/", pool = "app", intercept_errors = true, error_page = { "404" = "=200 /index.html" } },
  { match = "/api/fall/", pool = "app", intercept_errors = true, error_page = { "404 301" = "= @other" } },
  { match = "@other", pool = "app" },
  { match = "/dead/", pool = "nobody" },
]
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
[[wsgi_adapter.pool]]
name = "nobody"
servers = ["127.0.0.1:$PORT"]
"#;

both_topologies!(a_single_page_application_before_an_api, SPA);
fn a_single_page_application_before_an_api(stack: &Stack) {
    write(stack, "www/index.html", "the application");
    write(stack, "www/down.html", "come back later");
    write(stack, "www/assets/main.js", "code");
    let mut http2 = Http2::connect(stack.http());
    for (target, status, body) in [
        ("/", 200, "the application"),
        ("/any/route?x=1", 200, "the application"),
        ("/index.html", 200, "the application"),
        ("/assets/main.js", 200, "code"),
        ("/api/count/a", 200, "1\n"),
        ("/api/count/a", 200, "1\n"),
        ("/dead/", 502, "come back later"),
    ] {
        assert_eq!(stack.get(target).expect(status).text(), body, "{target}");
        assert_eq!(http2.get(&format!("http://localhost{target}")).expect(status).text(), body, "{target}");
    }
    stack.get("/assets/none.js").expect(404);
    assert!(stack.get("/assets/main.js").field("cache-control").unwrap().contains("max-age=315360000"));
    // The application's own errors, where the location says so.
    stack.get("/api/count/e?status=404").expect(404);
    let instead = stack.get("/api/raw/count/e?status=404").expect(200);
    assert_eq!((instead.text().as_str(), instead.field("cache-status")), ("the application", None));
    // What was sent to the application is gone: nothing else may be asked, and the error is a whole reply.
    let mut posting = stack.connect();
    for (status, length) in [("404", 5), ("301", 5), ("404", 300_000)] {
        let body = vec![b'x'; length];
        let fields = [("Content-Length", &*length.to_string())];
        let target = format!("/api/fall/count/posted?status={status}");
        let error = posting.ask("POST", &target, &fields, &body).expect(status.parse().unwrap());
        assert!(error.text().contains(&format!("<h1>{status}")), "{}", error.text());
    }
    // Conditions do not make the page of an error half a page.
    let part = stack.get_with("/dead/", &[("Range", "bytes=0-3"), ("If-None-Match", "*")]).expect(502);
    assert_eq!(part.text(), "come back later");
    let mut client = stack.connect();
    client.send("GET /a?b HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
    assert_eq!(client.response("GET").expect(301).field("location"), Some("http://example.com/a?b"));

    // A maintenance page by file, for stored pages too.
    write(stack, "maintenance", "");
    for target in ["/", "/api/count/a", "/assets/main.js"] {
        assert_eq!(stack.get(target).expect(503).text(), "come back later", "{target}");
        assert_eq!(http2.get(&format!("http://localhost{target}")).expect(503).text(), "come back later");
    }
    fs::remove_file(stack.directory().join("maintenance")).unwrap();
    assert_eq!(stack.get("/api/count/a").expect(200).expect_cache(&["hit"]).text(), "1\n");

    let asked = stack.ask_admin("POST", "/api/v1/explain", r#"{"url": "http://localhost/any/route"}"#).text();
    assert!(asked.contains("no file exists: /index.html") && asked.contains("setting try_files"), "{asked}");
}

const REWRITTEN: &str = r#"
[[edge.site]]
server_name = ["localhost"]
rule = [{ when = { cookie = { beta = "1" } }, rewrite = ['^/page/(.*)$ /app/count/beta-$1 last'] }]
rewrite = ['^/page/(.*)$ /app/count/plain-$1']
location = [{ match = "/app/", pool = "app", cache = { ttl = "60s", cookies = { ignore = ["beta"] } } }]
"#;

both_topologies!(pages_behind_rules_are_stored_apart_and_purged_by_their_own_url, REWRITTEN);
fn pages_behind_rules_are_stored_apart_and_purged_by_their_own_url(stack: &Stack) {
    let plain = |page: &str| stack.get(&format!("/page/{page}?body=variable:REQUEST_URI")).expect(200);
    let beta = |page: &str| {
        stack
            .get_with(&format!("/page/{page}?body=variable:REQUEST_URI"), &[("Cookie", "beta=1")])
            .expect(200)
    };
    let uri = "/page/x?body=variable:REQUEST_URI";
    for _ in 0..2 {
        assert_eq!(
            plain("x").text(),
            format!("1 REQUEST_URI={uri}\n"),
            "the application sees what was asked for"
        );
        assert_eq!(beta("x").text(), format!("1 REQUEST_URI={uri}\n"));
    }
    beta("x").expect_cache(&["hit"]);
    assert_eq!((stack.oracle.calls("plain-x"), stack.oracle.calls("beta-x")), (1, 1));
    let url = format!(r#"{{"urls": ["http://localhost{uri}"]}}"#);
    stack.ask_admin("POST", "/api/v1/purge", &url).expect(200);
    assert_eq!(plain("x").text(), format!("2 REQUEST_URI={uri}\n"));
    assert_eq!(beta("x").text(), format!("2 REQUEST_URI={uri}\n"));
}

const ODD: &str = r#"
[[edge.site]]
server_name = ["localhost"]
root = "$DIR/www"
location = [
  { match = "/away", return = 444 },
  { match = "/header", return = "302 /$arg_to" },
  { match = "/get", return = "200 ok", limit_except = ["GET"] },
  { match = "/only/", limit_except = ["GET"] },
  { match = "/list/", autoindex = true },
  { match = "/json/", autoindex = "json" },
  { match = '~ ^/of/(.*)$', alias = "$DIR/www/list/$arg_name" },
  { match = "/typed/", default_type = "text/x-log", types = { md = "text/markdown" } },
]
"#;

both_topologies!(odd_answers, ODD);
fn odd_answers(stack: &Stack) {
    for name in ["list/a.txt", "json/b.txt", "typed/x.md", "typed/y.unknown", "only/a.txt", "secret"] {
        write(stack, &format!("www/{name}"), name);
    }
    let mut client = stack.connect();
    client.send("GET /away HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.expect_closed();
    // A value never ends a field.
    let location = stack.get("/header?to=a%0d%0aX:%20y").expect(302);
    assert_eq!(location.field("location"), Some("/a%0d%0aX:%20y"));
    stack.ask("DELETE", "/only/a.txt", &[], b"").expect(403);
    stack.ask("HEAD", "/only/a.txt", &[], b"").expect(200);
    let page = stack.get("/list/").expect(200);
    assert!(page.text().contains("<a href=\"a.txt\">a.txt</a>"), "{}", page.text());
    assert_eq!(stack.get("/json/").expect(200).json()[0]["name"], "b.txt");
    assert_eq!(stack.get("/of/x?name=a.txt").expect(200).text(), "list/a.txt");
    write(stack, "www/list/.well-known/security.txt", "whom to tell");
    let known = stack.get("/of/x?name=.well-known/security.txt").expect(200);
    assert_eq!(known.text(), "whom to tell", "the settings may lead there from any depth");
    for outside in ["../secret", "..%2fsecret", "/etc/passwd", "a.txt/../../secret"] {
        let answer = stack.get(&format!("/of/x?name={outside}"));
        assert!(matches!(answer.status, 403 | 404), "{outside}: {} {}", answer.status, answer.text());
    }
    for (name, expected) in [("x.md", "text/markdown"), ("y.unknown", "text/x-log")] {
        let file = stack.get(&format!("/typed/{name}")).expect(200);
        assert_eq!(file.field("content-type"), Some(expected), "{name}");
    }
}

/// The usual PHP site, as it is written for nginx.
#[test]
fn a_php_site() {
    let stack = Stack::start(
        Topology::OneProcess,
        r#"
[[edge.site]]
server_name = ["localhost"]
root = "$DIR/www"
index = ["index.php", "index.html"]
location = [
  { match = "/", try_files = ["$uri", "$uri/", "/index.php?$args"] },
  { match = "/form/" },
  { match = '~ \.php$', try_files = ["$uri", "=404"], pool = "php" },
  { match = '~* \.(js|css|png|jpg|jpeg|gif|ico)$', expires = "max", log_not_found = false },
]
[[wsgi_adapter.pool]]
name = "php"
servers = ["fastcgi://127.0.0.1:$PORT"]
flavour = "php"
"#,
    );
    let _php = AppServer::php_fpm(stack.port);
    let script =
        "<?php echo $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['REQUEST_URI'], ' ', $_SERVER['QUERY_STRING'];";
    write(&stack, "www/index.php", script);
    write(&stack, "www/admin/index.php", script);
    write(&stack, "www/form/index.php", "<?php echo $_SERVER['REQUEST_METHOD'], ' ', $_POST['a'];");
    write(&stack, "www/style.css", "css");
    write(&stack, "www/plain/index.html", "plain");
    for (target, expected) in [
        ("/", "/index.php / "),
        ("/a/post?x=1", "/index.php /a/post?x=1 x=1"),
        ("/admin/", "/admin/index.php /admin/ "),
        ("/admin/index.php?y", "/admin/index.php /admin/index.php?y y"),
        ("/plain/", "plain"),
        ("/style.css", "css"),
    ] {
        assert_eq!(stack.get(target).expect(200).text(), expected, "{target}");
    }
    // The index of a directory takes forms too, as in nginx.
    let fields = [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", "5")];
    assert_eq!(stack.ask("POST", "/form/", &fields, b"a=b+c").expect(200).text(), "POST b c");
    stack.ask("POST", "/plain/", &fields, b"a=b+c").expect(405);
    stack.get("/none.php").expect(404);
    stack.get("/quiet.css").expect(404);
    assert!(stack.get("/style.css").field("expires").unwrap().contains("2037"));
    assert!(!stack.log().contains("quiet.css"), "log_not_found is off");
}
