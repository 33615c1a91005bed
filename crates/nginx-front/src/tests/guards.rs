//! What decides who may ask, and what the application says of itself.

use super::*;

#[test]
fn a_page_may_decide_who_may_ask() {
    let file = "server { auth_request /auth; \
         location = /auth { internal; auth_request off; proxy_pass http://a:1/check; proxy_pass_request_body off; \
         proxy_set_header Content-Length ''; proxy_set_header X-Original-URI $request_uri; } \
         location / { auth_request_set $who $upstream_http_x_user; proxy_pass http://a:1; \
         proxy_set_header X-User $who; } \
         location /open { auth_request off; proxy_pass http://a:1; proxy_pass_request_body off; } }";
    let (table, missing) = with_missing(file);
    assert_eq!(missing, [""; 0]);
    let site = |path: &str| at(&table, &format!("edge.site.0.{path}")).clone();
    assert_eq!(shown(&site("auth_request.uri")), "\"/auth\"");
    assert_eq!(shown(&site("auth_request.cookies")), "false");
    assert_eq!(shown(&site("location.0.auth_request")), "false");
    assert_eq!(shown(&site("location.1.auth_request.set")), r#"[["who", "$upstream_http_x_user"]]"#);
    assert_eq!(shown(&site("location.2.auth_request")), "false");
    assert_eq!(shown(&site("location.2.pool_request.body")), "\"\"");
}

#[test]
fn a_hash_may_decide_who_may_ask() {
    let (table, missing) = with_missing(
        "server { location /d/ { alias /srv/; secure_link $arg_md5,$arg_expires; \
         secure_link_md5 \"$secure_link_expires$uri secret\"; if ($secure_link = \"\") { return 403; } \
         if ($secure_link = \"0\") { return 410; } } }",
    );
    assert_eq!(missing, [""; 0]);
    let link = |key: &str| shown(at(&table, &format!("edge.site.0.location.0.secure_link.{key}")));
    assert_eq!(link("link"), "\"$arg_md5,$arg_expires\"");
    assert_eq!(link("md5"), "\"$secure_link_expires$uri secret\"");
    assert_eq!(link("refuse"), "false");
}

#[test]
fn what_the_application_says_of_itself_is_replaced() {
    let (table, missing) = with_missing(
        "server { proxy_redirect http://in.example/ /x/; proxy_redirect ~*^http://[^/]+/(.*)$ /y/$1; \
         proxy_cookie_path / /x/; location / { proxy_pass http://a:1; proxy_cookie_domain in.example $host; \
         location /off { proxy_pass http://a:1; proxy_redirect off; proxy_cookie_path off; \
         proxy_cookie_domain off; } } location /u { uwsgi_pass a:1; } }",
    );
    assert_eq!(missing, [""; 0]);
    let rewrite = |key: &str| shown(at(&table, &format!("edge.site.0.location.0.reply_rewrite.{key}")));
    assert_eq!(rewrite("location"), r#"[["http://in.example/", "/x/"], ["~*^http://[^/]+/(.*)$", "/y/$1"]]"#);
    assert_eq!(rewrite("cookie_domain"), r#"[["in.example", "$host"]]"#);
    assert_eq!(rewrite("cookie_path"), r#"[["/", "/x/"]]"#);
    let off = at(&table, "edge.site.0.location.0.location.0.reply_rewrite");
    assert!(off.as_table().is_some_and(|off| off.is_empty()));
    assert!(at(&table, "edge.site.0.location.1").get("reply_rewrite").is_none());
}

#[test]
fn known_traps_are_said_with_what_to_write() {
    let traps = |text: &str| -> Vec<String> {
        let (_, translation) = translated(text, &options());
        let is_trap = |note: &&Note| matches!(note.verdict, Verdict::Trap(_));
        translation.notes.iter().filter(is_trap).map(Note::to_string).collect()
    };
    for (text, expected) in [
        ("server { location /s { alias /srv/s/; } }", "write `location /s/`"),
        ("server { add_header X-A 1; location / { add_header X-B 2; } }", "the outer add_header of X-A"),
        (
            "server { location / { add_header X-A 1; try_files $uri =404; if ($arg_x) { add_header X-B 2; } } }",
            "the location's try_files and add_header do not; write a map",
        ),
        ("server { location / { uwsgi_pass a:1; } location /b { uwsgi_pass a:1; } }", "buffer-size = 32768"),
        (
            "server { if ($http_x_forwarded_proto = http) { return 301 https://a; } }",
            "write set_real_ip_from",
        ),
    ] {
        let found = traps(text);
        assert_eq!(found.len(), 1, "{text} {found:?}");
        assert!(found.iter().all(|line| line.contains(expected)), "{text} {found:?}");
    }
    assert_eq!(traps("server { location / { try_files $uri =404; if ($arg_x) { return 403; } } }"), [""; 0]);
}

#[test]
fn a_password_file_by_a_variable_is_beside_the_configuration() {
    for (file, expected, directory) in
        [("users", "/etc/nginx/conf/users", None), ("$host", "$host", Some("/etc/nginx/conf/"))]
    {
        let table = settings(&format!("server {{ auth_basic x; auth_basic_user_file {file}; root /x; }}"));
        let auth = at(&table, "edge.site.0.auth_basic");
        assert_eq!(auth.get("file").and_then(Value::as_str), Some(expected));
        assert_eq!(auth.get("directory").and_then(Value::as_str), directory);
    }
}
