//! Whole files and the settings they become.

use nginx_conf::{Contexts, check, parse};
use toml::Value;

use super::*;

mod bodies;
mod choices;
mod guards;
mod logs;
mod places;
mod servers;
mod tls;

/// The settings and the notes of a file that is right.
fn translated(text: &str, options: &Options) -> (toml::Table, Translation) {
    let parsed = parse("nginx.conf", text.as_bytes(), &mut |_| Ok(Vec::new()));
    let context = if is_fragment(&parsed) { Contexts::HTTP } else { Contexts::MAIN };
    assert_eq!(check(&parsed, context, &is_foreign), [], "{text}");
    let translation = translate(&parsed, options);
    let table = translation.toml.parse().unwrap_or_else(|error| panic!("{error}\n{}", translation.toml));
    (table, translation)
}

fn options() -> Options {
    Options {
        prefix: "/etc/nginx/".into(),
        conf_prefix: "/etc/nginx/conf/".into(),
        hostname: "box".into(),
        microcache: None,
        has_default_root: true,
        is_root: true,
    }
}

fn settings(text: &str) -> toml::Table {
    translated(text, &options()).0
}

/// What stands at `edge.site.0.location.1.match`.
fn at<'a>(table: &'a toml::Table, path: &str) -> &'a Value {
    let mut parts = path.split('.');
    let first = parts.next().and_then(|key| table.get(key));
    let found = parts.fold(first, |value, part| match value? {
        Value::Array(values) => values.get(part.parse::<usize>().ok()?),
        Value::Table(table) => table.get(part),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing at {path} in\n{table:?}"))
}

/// A value as TOML writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{text}\""),
        Value::Boolean(flag) => flag.to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}

fn text<'a>(table: &'a toml::Table, path: &str) -> &'a str {
    at(table, path).as_str().unwrap_or_else(|| panic!("{path} is no text"))
}

/// The settings of a file, and what is not done of it.
fn with_missing(text: &str) -> (toml::Table, Vec<String>) {
    (settings(text), not_done(text))
}

/// What is not done, as it is said.
fn not_done(text: &str) -> Vec<String> {
    let (_, translation) = translated(text, &options());
    let is_missing = |note: &&Note| matches!(note.verdict, Verdict::NotDone { .. });
    translation.notes.iter().filter(is_missing).map(Note::to_string).collect()
}

const DJANGO: &str = r"
upstream django { server unix:/run/app.sock fail_timeout=0; server 127.0.0.1:8000 backup; }
server {
    listen 80 default_server;
    listen [::]:80;
    server_name example.com .example.org _;
    client_max_body_size 4G;
    keepalive_timeout 5;
    root static;
    location = /favicon.ico { access_log off; log_not_found off; }
    location /static/ { alias /srv/static/; expires 30d; gzip_static on; }
    location ~* \.(css|js)$ { root /srv/www; }
    location /private/ { internal; alias /srv/private/; }
    location / {
        proxy_pass http://django;
        proxy_read_timeout 300s;
        proxy_buffering off;
    }
}
";

#[test]
fn a_fragment_of_a_python_site_is_said_completely() {
    assert_eq!(not_done(DJANGO), [""; 0]);
    let table = settings(DJANGO);
    assert_eq!(text(&table, "edge.listen.0.address"), "0.0.0.0:80");
    assert_eq!(text(&table, "edge.listen.1.address"), "[::]:80");
    assert_eq!(
        shown(at(&table, "edge.site.0.server_name")),
        r#"["example.com", "example.org", "*.example.org"]"#
    );
    assert_eq!(text(&table, "edge.listen.0.bounds.keepalive_timeout"), "5s");
    assert_eq!(text(&table, "edge.timeouts.keepalive"), "75s");
    assert_eq!(text(&table, "edge.timeouts.application"), "300s");
    let location =
        |index: usize, key: &str| shown(at(&table, &format!("edge.site.0.location.{index}.{key}")));
    assert_eq!(location(0, "match"), "\"= /favicon.ico\"");
    assert_eq!(text(&table, "edge.site.0.root"), "/etc/nginx/static");
    assert_eq!((location(0, "access_log"), location(0, "log_not_found")), ("false".into(), "false".into()));
    assert_eq!((location(1, "alias"), location(1, "expires")), ("\"/srv/static/\"".into(), "\"30d\"".into()));
    assert_eq!(location(1, "precompressed"), "true");
    assert_eq!(at(&table, "edge.site.0.location.2.match").as_str(), Some(r"~* \.(css|js)$"));
    assert_eq!(location(3, "internal"), "true");
    assert_eq!((location(4, "pool"), location(4, "buffering")), ("\"django\"".into(), "false".into()));
    assert_eq!(text(&table, "edge.site.0.max_body"), "4GiB");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.name"), "django");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.read_timeout"), "300s");
    let servers = at(&table, "wsgi_adapter.pool.0.servers").as_array().unwrap().clone();
    assert_eq!(servers[0].get("address").and_then(Value::as_str), Some("http+unix:///run/app.sock"));
    assert_eq!(servers[1].get("backup").and_then(Value::as_bool), Some(true));
}

#[test]
fn each_setting_names_the_line_it_comes_from() {
    let (_, translation) = translated(DJANGO, &options());
    assert!(translation.toml.contains("expires = \"30d\"  # nginx.conf:11\n"), "{}", translation.toml);
    assert!(translation.toml.contains("# nginx.conf:14: location /\n[[edge.site.location]]\n"));
}

#[test]
fn a_block_inherits_as_in_nginx() {
    let table = settings(
        "events { } http { expires 1h; index a.html b.html; proxy_read_timeout 5s; server { index c.html; \
         location /a/ { expires off; } location /b/ { proxy_pass http://127.0.0.1:1; } } }",
    );
    assert_eq!(text(&table, "edge.site.0.location.0.expires"), "off");
    assert_eq!(shown(at(&table, "edge.site.0.index")), r#"["c.html"]"#);
    assert_eq!(text(&table, "edge.site.0.expires"), "1h");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.read_timeout"), "5s");
    assert_eq!(text(&table, "edge.site.0.root"), "/etc/nginx/html");
}

#[test]
fn one_upstream_with_two_time_limits_is_two_pools() {
    let table = settings(
        "upstream app { server 10.0.0.1:8000; ip_hash; } server { location / { uwsgi_pass app; } \
         location /slow { uwsgi_pass app; uwsgi_read_timeout 1h; } location /x { uwsgi_pass app; uwsgi_param A b; } }",
    );
    let names: Vec<_> = at(&table, "wsgi_adapter.pool").as_array().unwrap().clone();
    assert_eq!(names.len(), 2);
    assert_eq!(text(&table, "edge.site.0.location.1.pool"), "app-2");
    assert_eq!(text(&table, "wsgi_adapter.pool.1.read_timeout"), "3600s");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.servers.0"), "uwsgi://10.0.0.1:8000");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.balance"), "ip_hash");
    assert_eq!(text(&table, "edge.site.0.location.2.variables"), "set-1");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.variable_sets.set-1.A"), "b");
}

#[test]
fn a_value_does_not_lengthen_the_name_before_it() {
    for (text, expected) in [
        ("$scheme$name$uri", "${scheme}a1$uri"),
        ("$scheme${name}x", "${scheme}a1x"),
        ("$names/$name", "$names/a1"),
        ("${scheme}$name", "${scheme}a1"),
        ("$name$name", "a1a1"),
        ("$$name", "$a1"),
    ] {
        assert_eq!(site::with_variable(text, "name", "a1"), expected);
    }
}

#[test]
fn constants_of_set_are_filled_in() {
    let table = settings(
        "server { resolver 127.0.0.11; set $up app:8000; location / { proxy_pass http://$up; } \
         location /x { set $port 9; proxy_pass http://b:${port}$request_uri; } }",
    );
    assert_eq!(text(&table, "wsgi_adapter.pool.0.servers.0.address"), "http://app:8000");
    assert_eq!(text(&table, "wsgi_adapter.pool.1.servers.0.address"), "http://b:9");
}

#[test]
fn the_path_of_proxy_pass_takes_the_place_of_the_prefix() {
    let table = settings(
        "server { location /api/v1.0/ { proxy_pass http://a:1/; } location = /x { proxy_pass http://a:1/y/z; } \
         location /same/ { proxy_pass http://a:1/same/; } location ^~ /b { proxy_pass http://unix:/s:/c; } }",
    );
    let rewrite =
        |index: usize| at(&table, &format!("edge.site.0.location.{index}")).get("rewrite").map(shown);
    assert_eq!(rewrite(0).as_deref(), Some(r#"["(?s)^/api/v1\.0/(.*)$ /$1 break"]"#));
    assert_eq!(rewrite(1).as_deref(), Some(r#"["(?s)^/x$ /y/z break"]"#));
    // nginx sends the path in its normal form, as it does where the path changes.
    assert_eq!(rewrite(2), None);
    assert_eq!(text(&table, "edge.site.0.location.2.pool_path"), "/same/");
    assert!(at(&table, "edge.site.0.location.0").get("pool_path").is_none());
    assert_eq!(rewrite(3).as_deref(), Some(r#"["(?s)^/b(.*)$ /c$1 break"]"#));
}

#[test]
fn the_line_more_puts_a_cache_before_each_application() {
    let file = "weir_microcache 1s; server { location / { proxy_pass http://a:1; } \
                location /live { weir_microcache off; proxy_pass http://a:1; } location /s { root /x; } }";
    let table = settings(file);
    assert_eq!(text(&table, "edge.site.0.location.0.cache.ttl"), "1s");
    for index in [1, 2] {
        let location = at(&table, &format!("edge.site.0.location.{index}"));
        assert!(location.get("cache").is_none(), "{index}");
    }
    let (table, _) = translated(
        "server { location / { proxy_pass http://a:1; } }",
        &Options { microcache: Some("500ms".into()), ..options() },
    );
    assert_eq!(text(&table, "edge.site.0.location.0.cache.ttl"), "500ms");
}

#[test]
fn a_cache_of_nginx_keeps_nginx_s_lifetimes() {
    let table = settings(
        "proxy_cache_path /tmp/c keys_zone=c:1m; server { location / { proxy_pass http://a:1; proxy_cache c; \
         proxy_cache_valid 200 302 10m; proxy_cache_valid 404 1m; proxy_cache_valid 404 2m; \
         proxy_cache_use_stale error updating; proxy_cache_key $scheme$host$request_uri; } }",
    );
    let cache = "edge.site.0.location.0.cache";
    assert_eq!(text(&table, &format!("{cache}.ttl.200")), "600s");
    assert_eq!(text(&table, &format!("{cache}.ttl.404")), "60s");
    assert_eq!(text(&table, &format!("{cache}.ttl.any")), "0s");
    assert_eq!(text(&table, &format!("{cache}.stale_if_error")), "86400s");
}

#[test]
fn nothing_is_dropped_in_silence() {
    let said = not_done("server { ssi on; location / { mirror /b; proxy_pass a; } }");
    assert_eq!(
        said,
        [
            "\"ssi\" is not done: Weir does not process server-side includes; let the application put the page \
             together in nginx.conf:1",
            "\"mirror\" is not done: Weir does not send requests twice; leave it out, or keep nginx for it in \
             nginx.conf:1",
            "\"proxy_pass\" is not done: the URL begins with neither http:// nor https:// in nginx.conf:1",
        ]
    );
    let (_, translation) = translated("events { worker_connections 9; } http { tcp_nopush on; }", &options());
    let counted: Vec<_> =
        translation.notes.iter().map(|note| (note.directive.as_str(), &note.verdict)).collect();
    assert_eq!(
        counted,
        [
            ("events", &Verdict::Done),
            ("worker_connections", &Verdict::NoEffect),
            ("http", &Verdict::Done),
            ("tcp_nopush", &Verdict::NoEffect),
        ]
    );
}

#[test]
fn a_path_in_a_variable_is_whole() {
    let table = settings(
        "server { root $host/html; location /a/ { alias $host/; } location /b/ { alias b/; \
         auth_basic x; auth_basic_user_file $host/users; } }",
    );
    let location = |number: usize, key: &str| text(&table, &format!("edge.site.0.location.{number}.{key}"));
    assert_eq!(text(&table, "edge.site.0.root"), "$host/html");
    assert_eq!(location(0, "alias"), "$host/");
    assert!(location(1, "alias").ends_with("/b/") && location(1, "alias").starts_with('/'));
    assert_eq!(location(1, "auth_basic.file"), "$host/users");
}

#[test]
fn what_holds_without_it_may_be_said() {
    let said = |server: &str, location: &str| {
        not_done(&format!("server {{ {server} location / {{ {location} root /srv; }} }}"))
    };
    let usual = said("merge_slashes on; ignore_invalid_headers on;", "random_index off; proxy_store off;");
    assert_eq!(usual, [""; 0]);
    assert_eq!(said("merge_slashes off;", "").len(), 1);
    assert_eq!(said("", "random_index on;").len(), 1);
}

#[test]
fn an_alias_without_its_slash_is_a_trap() {
    let (_, translation) = translated("server { location /static { alias /srv/static/; } }", &options());
    let trap = translation.notes.iter().find(|note| matches!(note.verdict, Verdict::Trap(_)));
    assert!(trap.is_some_and(|note| note.to_string().contains("write `location /static/`")));
}

#[test]
fn the_process_is_read_from_the_outermost_lines() {
    let file =
        "user www-data; pid run/nginx.pid; error_log logs/error.log warn; daemon off; events { } http { }";
    let (_, translation) = translated(file, &options());
    let expected = Program {
        pid: Some("/etc/nginx/run/nginx.pid".into()),
        daemon: false,
        user: Some(("www-data".into(), None)),
        error_log: Some(("/etc/nginx/logs/error.log".into(), "warn".into())),
    };
    assert_eq!(translation.program, expected);
}
