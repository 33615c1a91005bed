//! Whole files and the settings they become.

use nginx_conf::{Contexts, check, parse};
use toml::Value;

use super::*;

mod bodies;
mod choices;
mod guards;
mod logs;
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

#[test]
fn where_a_request_goes() {
    let (table, missing) = with_missing(
        "server { root /srv; error_page 404 /404.html; error_page 403 403.html; error_page 500 502 =200 @down; \
         location / { try_files $uri $uri/ @app; autoindex on; } \
         location @app { proxy_pass http://a:1; proxy_intercept_errors on; } \
         location @down { return 503; } \
         location /static/ { location ~ \\.txt$ { default_type text/x; types { } } limit_except GET { deny all; } } \
         location ~ ^/u/(.+)$ { alias /u/$1; if ($arg_x = \"1\") { return 403; } } }",
    );
    assert_eq!(missing, [""; 0]);
    let location =
        |index: usize, key: &str| shown(at(&table, &format!("edge.site.0.location.{index}.{key}")));
    assert_eq!(location(0, "try_files"), r#"["$uri", "$uri/", "@app"]"#);
    assert_eq!(location(0, "autoindex"), "true");
    assert_eq!(text(&table, "edge.site.0.error_page.404"), "/404.html");
    assert_eq!(text(&table, "edge.site.0.error_page.403"), "./403.html");
    assert_eq!(text(&table, "edge.site.0.error_page.500 502"), "=200 @down");
    assert_eq!((location(1, "match"), location(1, "intercept_errors")), ("\"@app\"".into(), "true".into()));
    assert_eq!(location(2, "return"), "\"503\"");
    assert_eq!(location(3, "limit_except"), r#"["GET"]"#);
    assert_eq!(text(&table, "edge.site.0.location.3.location.0.default_type"), "text/x");
    assert_eq!(location(4, "alias"), "\"/u/$1\"");
    assert_eq!(text(&table, "edge.site.0.location.4.rule.0.return"), "403");
}

#[test]
fn fields_maps_compression_and_access() {
    let (table, missing) = with_missing(
        "map $http_origin $cors { default ''; ~^https://a\\. $http_origin; \\default x; } \
         geo $inside { default 0; 10.0.0.0/8 1; } limit_req_zone $binary_remote_addr zone=one:10m rate=5r/s; \
         gzip on; gzip_types text/css; gzip_comp_level 6; add_header X-A a always; \
         server { auth_basic staging; auth_basic_user_file users; \
         location / { proxy_pass http://a:1; proxy_set_header X-B $cors; proxy_set_header Cookie ''; \
         proxy_hide_header Server; limit_req zone=one burst=5 nodelay; limit_req_status 429; } \
         location /b { add_header X-C c; auth_basic off; allow 10.0.0.0/8; deny all; uwsgi_pass b:1; \
         uwsgi_param HTTP_X_FORWARDED_PROTO $scheme; } }",
    );
    assert_eq!(missing, [""; 0]);
    let first = |key: &str| at(&table, &format!("edge.site.0.location.0.{key}")).clone();
    let second = |key: &str| at(&table, &format!("edge.site.0.location.1.{key}")).clone();
    assert_eq!(
        shown(at(&table, "edge.map.0.cases")),
        r#"[["~^https://a\.", "$http_origin"], ["\default", "x"]]"#
    );
    assert_eq!(shown(at(&table, "edge.geo.0.networks")), r#"[["10.0.0.0/8", "1"]]"#);
    assert_eq!(text(&table, "edge.limit_zones.one.rate"), "5r/s");
    assert_eq!(shown(at(&table, "edge.site.0.compress.types")), r#"["text/html", "text/css"]"#);
    assert_eq!(shown(&first("request_fields.0.set")), "\"X-B\"");
    assert_eq!(shown(&first("request_fields.1.remove")), "\"Cookie\"");
    assert_eq!(shown(&first("reply_fields.0.remove")), "\"Server\"");
    assert_eq!(shown(&first("reply_fields.1.always")), "true");
    assert_eq!(text(&table, "edge.site.0.auth_basic.file"), "/etc/nginx/conf/users");
    assert_eq!(
        (shown(&second("auth_basic")), shown(&first("inherit_fields"))),
        ("false".into(), "\"replace\"".into())
    );
    assert_eq!(first("limit_req.0.status").as_integer(), Some(429));
    assert_eq!(shown(&second("access")), r#"["allow 10.0.0.0/8", "deny all"]"#);
    assert_eq!(shown(&second("reply_fields.0.add")), "\"X-C\"");
    assert_eq!(text(&table, "wsgi_adapter.pool.1.variable_sets.set-1.HTTP_X_FORWARDED_PROTO"), "http");
    assert!(second("match").as_str() == Some("/b"));
}

#[test]
fn fields_within_if_take_the_place_of_others() {
    let (table, missing) = with_missing(
        "server { add_header X-A a; location /x { if ($request_method = OPTIONS) { add_header X-B b$uri always; return 204; } \
         root /srv; } }",
    );
    assert_eq!(missing, [""; 0]);
    let place = at(&table, "edge.site.0.location.0").clone();
    let field = |index: usize| place.get("reply_fields").and_then(Value::as_array).unwrap()[index].clone();
    let (outer, inner) = (field(0), field(1));
    let map = |field: &Value| {
        let name = field.get("value").and_then(Value::as_str).unwrap().trim_start_matches('$').to_owned();
        let maps = at(&table, "edge.map").as_array().unwrap().clone();
        let map =
            maps.into_iter().find(|map| map.get("variable").and_then(Value::as_str) == Some(&name)).unwrap();
        shown(map.get("cases").unwrap())
    };
    assert_eq!((map(&outer), map(&inner)), (r#"[["", "a"]]"#.into(), r#"[["1", "b$uri"]]"#.into()));
    assert_eq!(shown(&inner["always"]), "true");
    let rule = at(&table, "edge.site.0.location.0.rule.0");
    assert_eq!(rule.get("return").and_then(Value::as_str), Some("204"));
    assert_eq!(rule["set"].as_table().map(|set| set.len()), Some(1));
}

#[test]
fn referers_are_a_map_for_each_place() {
    let table = settings(
        "server { server_name a.example; valid_referers none server_names; if ($invalid_referer) { return 403; } \
         location /x { valid_referers blocked *.b.example ~\\.c\\. d.example/e; return 200 \"$invalid_referer\"; } \
         location /y { return 200 $invalid_referer; } }",
    );
    let location = |index: usize| text(&table, &format!("edge.site.0.location.{index}.return")).to_owned();
    assert_eq!(location(0), "200 $invalid_referer_2");
    assert_eq!(location(1), "200 $invalid_referer_1");
    assert_eq!(
        at(&table, "edge.site.0.rule.0.when").get("$invalid_referer_1").and_then(Value::as_bool),
        Some(true)
    );
    assert_eq!(
        shown(at(&table, "edge.map.1.cases")),
        r#"[["", "1"], ["~(?s)^.{1,10}$", ""], ["~*^https?://[^/:]+\.b\.example(?:[:/]|$)", ""], ["~*^https?://.*(?:\.c\.)", ""], ["~*^https?://d\.example(?::[^/]*)?(?-i:/e)", ""], ["~*^https?://", "1"]]"#
    );
    assert_eq!(text(&table, "edge.map.1.default"), "");
    assert_eq!(text(&table, "edge.map.0.default"), "1");
}
