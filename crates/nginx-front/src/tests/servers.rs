//! `server`: its listeners, names and certificate; where the names of servers behind it are looked up.

use super::*;

#[test]
fn tls_has_the_server_s_certificate() {
    let table = settings(
        "server { listen 443 ssl http2; server_name a.example; ssl_certificate a.pem; ssl_certificate_key /k/a.key; }",
    );
    assert_eq!(text(&table, "edge.listen.0.tls.certificate"), "/etc/nginx/conf/a.pem");
    assert_eq!(text(&table, "edge.site.0.tls.key"), "/k/a.key");
    assert_eq!(at(&table, "edge.listen.0.http2").as_bool(), Some(true));
}

#[test]
fn servers_are_told_apart_by_their_listeners() {
    let (table, missing) = with_missing(
        "server { listen 80 default_server; server_name a; return 301 https://$host$request_uri; }
         server { listen 443 ssl; server_name a; ssl_certificate a.pem; ssl_certificate_key a.key; root /x; }",
    );
    assert_eq!(missing, [""; 0]);
    assert_eq!(shown(at(&table, "edge.site.0.listen")), r#"["0.0.0.0:80"]"#);
    assert_eq!(shown(at(&table, "edge.site.0.default_server")), r#"["0.0.0.0:80"]"#);
    assert_eq!(text(&table, "edge.site.0.return"), "301 https://$host$request_uri");
    assert_eq!(shown(at(&table, "edge.site.1.listen")), r#"["0.0.0.0:443"]"#);
}

#[test]
fn a_server_s_name_may_capture() {
    let table = settings(
        "server { server_name ~^(?<sub>.+)\\.a\\.example$; root /srv/$sub; location / { if ($sub = x) { return 403; } } }",
    );
    assert_eq!(text(&table, "edge.site.0.rule.0.when.host"), r"~ ^(?<sub>.+)\.a\.example$");
    assert_eq!(text(&table, "edge.site.0.rule.0.set.sub"), "$sub");
    assert_eq!(text(&table, "edge.site.0.root"), "/srv/$sub");
}

#[test]
fn names_are_looked_up_by_the_resolver_of_the_file() {
    let table = settings(
        "upstream u { server a.example:1 resolve; server 10.0.0.1:1; server 10.0.0.1:1 weight=2; } \
         server { resolver 127.0.0.11 [::1]:54 valid=30s; set $x b.example:2; \
         location / { proxy_pass http://$x; } location /u { proxy_pass http://u; } }",
    );
    let pool = |index: usize, key: &str| shown(at(&table, &format!("wsgi_adapter.pool.{index}.{key}")));
    for index in [0, 1] {
        assert_eq!(pool(index, "nameservers"), r#"["127.0.0.11:53", "[::1]:54"]"#);
        assert_eq!(pool(index, "resolve_every"), "\"30s\"");
    }
    assert_eq!(pool(0, "servers.0.resolve"), "true");
    assert_eq!(pool(1, "servers.1"), "\"http://10.0.0.1:1\"");
    assert_eq!(at(&table, "wsgi_adapter.pool.1.servers.2.again").as_bool(), Some(true));
    assert_eq!(at(&table, "wsgi_adapter.pool.1.servers.2.weight").as_integer(), Some(2));
}

#[test]
fn what_anybody_says_of_clients_is_known_and_chooses_no_server() {
    let of = |text: &str, key: &str| settings(text)["edge"].get(key).map(shown);
    let balanced = "log_format l '$http_x_forwarded_for'; access_log /l l; \
                    server { set_real_ip_from 10.0.0.0/8; root /x; }";
    assert_eq!(of(balanced, "untrusted_variables").as_deref(), Some("true"));
    assert_eq!(of(balanced, "forwarded_host").as_deref(), Some("\"within_site\""));
    let relying =
        "server { if ($http_x_forwarded_proto = http) { return 301 https://$host$request_uri; } root /x; }";
    assert_eq!(of(relying, "forwarded_host").as_deref(), Some("\"off\""));
    let by_host = "server { root /x; add_header X-Host $http_x_forwarded_host; }";
    assert_eq!(of(by_host, "forwarded_host").as_deref(), Some("\"within_site\""));
    let plain = "server { root /x; }";
    assert_eq!((of(plain, "forwarded_host"), of(plain, "untrusted_variables")), (None, None));
}
