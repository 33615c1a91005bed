//! Where a request goes, and what becomes of fields and replies there.

use super::*;

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
