//! What depends on the request: who answers, with which directives, what the application is asked.

use super::*;

#[test]
fn an_application_may_depend_on_the_request() {
    let (table, missing) = with_missing(
        "upstream blue { server b:1; } server { resolver 127.0.0.1; \
         location / { proxy_pass http://$host:8000; } \
         location ~ ^/x/(.*)$ { proxy_pass https://$arg_b/y/$1$is_args$args; } \
         location /u { uwsgi_pass $arg_app; } location /z { proxy_pass $arg_url; } \
         location /v { proxy_pass http://blue/v$uri; } }",
    );
    assert_eq!(missing, [""; 0]);
    let location =
        |index: usize, key: &str| shown(at(&table, &format!("edge.site.0.location.{index}.{key}")));
    let choice = |index: usize, key: &str| location(index, &format!("pool_choice.{key}"));
    assert_eq!(choice(0, "by"), "\"$host:8000\"");
    assert_eq!(choice(0, "pools.blue"), "\"blue\"");
    assert_eq!((choice(0, "names"), choice(0, "scheme")), ("true".into(), "\"http\"".into()));
    assert_eq!((choice(1, "by"), choice(1, "scheme")), ("\"$arg_b\"".into(), "\"https\"".into()));
    assert_eq!(choice(1, "target"), "\"/y/$1$is_args$args\"");
    assert_eq!((choice(2, "by"), choice(2, "scheme")), ("\"$arg_app\"".into(), "\"uwsgi\"".into()));
    assert_eq!(choice(3, "by"), "\"$arg_url\"");
    assert_eq!((choice(4, "by"), choice(4, "target")), ("\"blue\"".into(), "\"/v$uri\"".into()));
    let pools = at(&table, "wsgi_adapter.pool").as_array().unwrap();
    let any = pools.iter().filter(|pool| pool.get("any_server").is_some()).count();
    assert_eq!(any, 3, "one for each protocol: {pools:?}");
    assert_eq!(
        not_done(
            "server { location / { proxy_pass $scheme://$host; } listen 1; listen 2 ssl; ssl_certificate a; ssl_certificate_key b; }"
        ),
        ["\"proxy_pass\" is not done: whether the application speaks TLS may not depend on a variable; \
             write http:// or https:// in nginx.conf:1"]
    );
}

#[test]
fn scripts_are_found_where_nginx_finds_them() {
    let (table, missing) = with_missing(
        r"server { root /r; location ~ \.php$ { include p; fastcgi_pass a:1; }
         location ~ ^/i/ { fastcgi_split_path_info ^/i(/.+\.php)(.*)$; include p; fastcgi_pass a:1; }
         location ~ ^/j/ { fastcgi_index go.php; include p; fastcgi_pass a:1; }
         location /t { alias /tools; location ~ \.php$ { include p; fastcgi_pass a:1; } } }"
            .replace(
                "include p;",
                "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_param PATH_INFO \
                 $fastcgi_path_info; fastcgi_param DOCUMENT_ROOT $document_root;",
            )
            .replacen("$fastcgi_path_info", "$uri", 1)
            .as_str(),
    );
    assert_eq!(missing, [""; 0]);
    let location = |path: &str| {
        let site = at(&table, "edge.site.0");
        path.split('.').try_fold(site.get("location")?, |value, key| match key.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(key),
        })
    };
    let told = |path: &str| location(&format!("{path}.pool_request.values")).map(shown);
    let script = "\"$document_root$fastcgi_script_name\"";
    assert_eq!(told("0"), None, "Weir's own are the same");
    assert_eq!(told("1").unwrap(), format!("[{script}, \"$fastcgi_path_info\"]"));
    assert_eq!(location("1.fastcgi_split_path_info").map(shown).unwrap(), r#""^/i(/.+\.php)(.*)$""#);
    assert_eq!(told("2").unwrap(), format!("[{script}, \"$fastcgi_path_info\"]"));
    assert_eq!(location("2.fastcgi_index").map(shown).unwrap(), "\"go.php\"");
    assert_eq!(
        told("3.location.0").unwrap(),
        format!("[{script}, \"$fastcgi_path_info\", \"$document_root\"]")
    );
    assert_eq!(location("3.alias").map(shown).unwrap(), "\"/tools\"");
}

#[test]
fn nginx_s_own_variable_of_the_rate_counts() {
    let table = settings(
        "server { root /r; if ($arg_x) { set $limit_rate 1k; } location / { } } \
         server { root /r; location / { set $limit_rate 2k; } location /other { } }",
    );
    assert_eq!(text(&table, "edge.site.0.limit_rate_by"), "$limit_rate");
    assert_eq!(text(&table, "edge.site.1.location.0.limit_rate_by"), "$limit_rate");
    assert!(at(&table, "edge.site.1.location.1").get("limit_rate_by").is_none());
}

#[test]
fn server_and_date_are_the_applications_where_they_are_passed() {
    let table = settings(
        "server { location / { proxy_pass http://a:1; proxy_pass_header Server; proxy_pass_header X-Pad; \
         add_header X-A b; } }",
    );
    let field = |key: &str| text(&table, &format!("edge.site.0.location.0.reply_fields.{key}"));
    assert_eq!((field("0.set"), field("0.value")), ("Server", "$upstream_http_server"));
    assert_eq!(field("1.add"), "X-A", "X-Pad needs nothing");
}

#[test]
fn what_stands_in_if_is_a_location() {
    let (table, missing) = with_missing(
        "server { root /r; location /a/ { proxy_pass http://a:1/b/; if ($arg_x) { set $y 1; expires 1h; } \
         if ($arg_y) { set $z 1; } } \
         location /c/ { alias /c/; if ($arg_x) { proxy_pass http://a:1; } limit_except GET POST { allow 10.0.0.1; \
         deny all; } } }",
    );
    assert_eq!(
        missing,
        ["\"limit_except\" is not done: `limit_except` with such directives needs `root`, not `alias`; \
          write root, or a location for it in nginx.conf:1"]
    );
    let site = |path: &str| at(&table, &format!("edge.site.0.{path}")).clone();
    let named = text(&table, "edge.site.0.location.2.match").to_owned();
    assert!(named.starts_with("@if-"), "{named}");
    assert_eq!(shown(&site("location.2.expires")), "\"1h\"");
    assert_eq!(shown(&site("location.2.rewrite")), r#"["(?s)^/a/(.*)$ /b/$1 break"]"#);
    let rules = site("location.0.rule");
    let rules = rules.as_array().unwrap();
    assert_eq!(rules[0].get("location").and_then(Value::as_str), Some(named.as_str()));
    assert_eq!(rules[1].get("set").and_then(|set| set.get("y")).and_then(Value::as_str), Some("1"));
    // The last that holds counts, as in nginx.
    assert_eq!(rules[2].get("location").and_then(Value::as_str), Some(""));
    assert!(text(&table, "edge.site.0.location.3.match").starts_with("@if-"));
}

#[test]
fn other_methods_have_a_location() {
    let (table, missing) = with_missing(
        "server { location / { proxy_pass http://a:1; limit_except GET { auth_basic x; auth_basic_user_file y; } } }",
    );
    assert_eq!(missing, [""; 0]);
    let rule = at(&table, "edge.site.0.location.0.rule.0");
    assert_eq!(
        rule.get("when").and_then(|when| when.get("$request_method")).and_then(Value::as_str),
        Some("!~ ^(?:GET|HEAD)$")
    );
    assert_eq!(rule.get("break").map(shown).as_deref(), Some("true"));
    assert_eq!(text(&table, "edge.site.0.location.1.auth_basic.realm"), "x");
    assert_eq!(shown(at(&table, "edge.site.0.location.1.auth_basic.checked")), "false");
    assert!(at(&table, "edge.site.0.location.0").get("auth_basic").is_none());
}

#[test]
fn the_application_may_be_asked_otherwise() {
    let (table, missing) = with_missing(
        "server { proxy_method POST; location / { proxy_pass http://a:1; proxy_set_body $request_body; \
         client_body_buffer_size 1k; location /in { proxy_pass http://a:1; proxy_pass_request_headers off; } } \
         location /c { proxy_pass http://a:1; weir_microcache 1s; } index $host.html; access_log /l/$host.log; }",
    );
    assert_eq!(missing, [""; 0]);
    let location =
        |index: usize, key: &str| shown(at(&table, &format!("edge.site.0.location.{index}.{key}")));
    assert_eq!(location(0, "pool_request.method"), "\"POST\"");
    assert_eq!(location(0, "pool_request.body"), "\"$request_body\"");
    assert_eq!(location(0, "body_buffer"), "Integer(1024)");
    assert_eq!(location(0, "location.0.pool_request.fields"), "false");
    assert!(at(&table, "edge.site.0.location.1").get("cache").is_none(), "its pages cannot be cached");
    assert_eq!(shown(at(&table, "edge.site.0.index")), r#"["$host.html"]"#);
    assert_eq!(text(&table, "edge.site.0.logs.0.to"), "/l/$host.log");
}

#[test]
fn redirects_of_the_application_are_those_of_the_place() {
    let table = settings(
        "server { location /a/ { proxy_pass http://a:1/b/; } location /c/ { proxy_pass http://a:1; proxy_redirect default; } \
         location /d/ { proxy_pass http://a:1; } location /e/ { proxy_pass http://a:1/b/; proxy_redirect off; } \
         location /f/ { proxy_pass http://a:1; proxy_set_header Host $host; } }",
    );
    let rewrite = |index: usize| {
        let location = at(&table, &format!("edge.site.0.location.{index}"));
        location.get("reply_rewrite").and_then(|rewrite| rewrite.get("location")).map(shown)
    };
    assert_eq!(rewrite(0).as_deref(), Some(r#"[["http://a:1/b/", "/a/"]]"#));
    assert_eq!(rewrite(1).as_deref(), Some(r#"[["http://a:1/", "/"]]"#));
    // An application that is told of no other host names its own.
    assert_eq!(rewrite(2).as_deref(), Some(r#"[["http://a:1/", "/"]]"#));
    assert_eq!((rewrite(3), rewrite(4)), (None, None));
}

#[test]
fn host_and_scheme_may_be_told_otherwise() {
    let (table, missing) = with_missing(
        "server { server_name a.example; location /a { proxy_pass http://b:8000; proxy_set_header Host $proxy_host; \
         proxy_set_header X-Forwarded-Proto https; } location /b { proxy_pass http://b:80/; \
         proxy_set_header Host $proxy_host:$proxy_port; proxy_set_header X-Forwarded-Proto $scheme; } \
         location /c { proxy_pass http://b; proxy_set_header Host a.example; } \
         location /d { proxy_pass http://b; proxy_set_header Host $server_name; } }",
    );
    assert_eq!(missing, [""; 0]);
    let told = |index: usize, key: &str| {
        let location = at(&table, &format!("edge.site.0.location.{index}"));
        location.get("pool_request").and_then(|wanted| wanted.get(key)).map(shown)
    };
    assert_eq!(told(0, "host").as_deref(), Some("\"b:8000\""));
    assert_eq!(told(0, "scheme").as_deref(), Some("\"https\""));
    assert_eq!(told(1, "host").as_deref(), Some("\"b:80\""));
    assert_eq!(told(1, "scheme"), None);
    assert_eq!((told(2, "host"), told(3, "host").as_deref()), (None, Some("\"$server_name\"")));
}

#[test]
fn whoever_a_variable_names_is_the_host() {
    let table = settings(
        "map $arg_x $app { default 127.0.0.1:1; } server { location /a { proxy_pass http://$app/b; } \
         location /b { proxy_pass https://$arg_b.s3.example:443; proxy_set_header Host $proxy_host; } \
         location /c { set $to $arg_to; proxy_pass $to; } location /d { proxy_pass http://$app; \
         proxy_set_header Host $http_host; } location /e { proxy_pass http://$app; weir_microcache 1s; } }",
    );
    let host = |index: usize| {
        let location = at(&table, &format!("edge.site.0.location.{index}"));
        location.get("pool_request").and_then(|wanted| wanted.get("host")).map(shown)
    };
    assert_eq!(host(0).as_deref(), Some("\"$app\""));
    assert_eq!(host(1).as_deref(), Some("\"$arg_b.s3.example\""));
    assert_eq!(host(2).as_deref(), Some("\"$to\""));
    assert_eq!((host(3), host(4)), (None, None));
}

#[test]
fn statuses_after_which_another_server_is_asked() {
    let text = "upstream a { server 127.0.0.1:1; server 127.0.0.1:2; }
        server { location / { proxy_pass http://a;
            proxy_next_upstream error timeout http_503 http_429 non_idempotent; proxy_next_upstream_timeout 2s; } }";
    let (table, missing) = with_missing(text);
    assert_eq!(missing, [""; 0]);
    let pool = |key: &str| shown(at(&table, &format!("wsgi_adapter.pool.0.{key}")));
    assert_eq!(pool("retry.statuses"), "[Integer(503), Integer(429)]");
    assert_eq!((pool("retry.any_method"), pool("retry.timeout")), ("true".into(), "\"2s\"".into()));
}

#[test]
fn fields_of_the_module_headers_more() {
    let text = "more_clear_headers Server; server { more_set_headers 'X-A: b c' 'X-None:';
        location / { proxy_pass http://127.0.0.1:1; more_set_headers -s '404 500' 'X-B: $host';
            more_set_input_headers 'X-C: d'; more_clear_input_headers X-E; } }";
    let (table, missing) = with_missing(text);
    assert_eq!(missing, [""; 0]);
    let field = |at_: &str| shown(at(&table, &format!("edge.site.0.location.0.{at_}")));
    assert_eq!(field("reply_fields.0.remove"), "\"Server\"");
    assert_eq!(
        (field("reply_fields.1.set"), field("reply_fields.1.value")),
        ("\"X-A\"".into(), "\"b c\"".into())
    );
    assert_eq!(field("reply_fields.2.remove"), "\"X-None\"");
    assert_eq!(field("reply_fields.3.status"), "[\"404\", \"500\"]");
    assert_eq!(
        (field("request_fields.0.set"), field("request_fields.1.remove")),
        ("\"X-C\"".into(), "\"X-E\"".into())
    );
    let missing = not_done("server { more_set_headers -t text/html 'A: b'; }");
    assert!(missing.iter().any(|line| line.contains("`-t` is not there")), "{missing:?}");
}

#[test]
fn what_is_not_done_says_what_to_write_instead() {
    for (text, instead) in [
        ("server { ssi on; }", "let the application put the page together"),
        ("server { location / { js_content main.go; } }", "write a map, or ask the application"),
        ("geoip2 /a.mmdb { }", "write a geo block"),
        ("vhost_traffic_status_zone; server { }", "weir_admin 127.0.0.1:9900;"),
        ("server { modsecurity on; }", "keep nginx with ModSecurity before Weir"),
    ] {
        let missing = not_done(text);
        assert!(missing.iter().any(|line| line.contains(instead)), "{text} {missing:?}");
    }
    assert_eq!(not_done("server { ssi off; ssl off; underscores_in_headers on; }"), [""; 0]);
}

#[test]
fn a_path_with_a_query_and_a_file_without_servers() {
    let (table, missing) =
        with_missing("server { location = /r { proxy_pass http://127.0.0.1:1/api/?k=v; } }");
    assert_eq!(missing, [""; 0]);
    assert_eq!(shown(at(&table, "edge.site.0.location.0.rewrite.0")), "\"(?s)^/r$ /api/?k=v break\"");
    let (table, missing) = with_missing("events { } http { }");
    assert_eq!(missing, [""; 0]);
    assert_eq!(shown(at(&table, "edge.listen")), "[\"127.0.0.1:0\"]");
}

#[test]
fn visitors_stay_with_a_server() {
    let of = |sticky: &str| {
        with_missing(&format!(
            "upstream a {{ server b:1; {sticky} }} server {{ location / {{ proxy_pass http://a; }} }}"
        ))
    };
    let (table, missing) =
        of("sticky cookie srv expires=1h domain=.a.example path=/x httponly secure samesite=none;");
    assert_eq!(missing, [""; 0]);
    let sticky = |key: &str| shown(at(&table, &format!("wsgi_adapter.pool.0.sticky.{key}")));
    assert_eq!((sticky("cookie"), sticky("expires")), ("\"srv\"".into(), "\"3600s\"".into()));
    assert_eq!((sticky("same_site"), sticky("secure")), ("\"None\"".into(), "true".into()));
    let (table, missing) = of("sticky learn create=$upstream_cookie_id lookup=$cookie_id zone=z:1m;");
    assert_eq!(missing, [""; 0]);
    assert_eq!(text(&table, "wsgi_adapter.pool.0.sticky.learn"), "id");
    assert!(of("sticky route $arg_a;").1.iter().any(|line| line.contains("`sticky route` is not there")));
}

#[test]
fn the_application_is_told_the_host_that_nginx_tells_it() {
    let host = |text: &str| {
        let (table, missing) = with_missing(&format!("upstream up {{ server a:1; }} server {{ {text} }}"));
        assert_eq!(missing, [""; 0], "{text}");
        let location = at(&table, "edge.site.0.location.0").clone();
        location.get("pool_request").and_then(|wanted| wanted.get("host")).map(shown)
    };
    for (text, expected) in [
        ("location / { proxy_pass http://up; }", Some("\"up\"")),
        ("location / { proxy_pass http://b:8000/x/; }", Some("\"b:8000\"")),
        ("location / { proxy_pass http://b:80; }", Some("\"b\"")),
        ("location / { proxy_pass http://unix:/run/a.sock; }", Some("\"localhost\"")),
        ("location / { set $b web; set $b_port 81; proxy_pass http://$b:$b_port; }", Some("\"web:81\"")),
        ("location / { proxy_pass http://up; proxy_set_header Host $http_host; }", None),
        ("proxy_set_header Host $host; location / { proxy_pass http://up; }", None),
        (
            "proxy_set_header Host $host; location / { proxy_pass http://up; proxy_set_header X-A b; }",
            Some("\"up\""),
        ),
    ] {
        assert_eq!(host(text).as_deref(), expected, "{text}");
    }
}
