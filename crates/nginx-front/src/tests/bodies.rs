//! What becomes of replies, what servers are told with a request, and listeners with bounds of their own.

use super::*;

const ALL: &str = "\
charset_map koi8-r utf-8 { C1 D0B0; }
upstream h { hash $arg_a; server 10.0.0.1:1; server 10.0.0.2:1; }
server {
    listen 80; listen unix:/run/a.sock; server_name a.example; keepalive_timeout 5;
    charset utf-8; source_charset koi8-r;
    location / {
        sub_filter a $host; sub_filter_once off; add_trailer X-A $status;
        proxy_pass http://h; proxy_cookie_flags one httponly samesite=lax; proxy_set_header X-Forwarded-Port 8443;
    }
    location /s { stub_status; }
    location /r {
        set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive off;
        auth_delay 1s; auth_basic a; auth_basic_user_file /dev/null; proxy_limit_rate 4k; proxy_pass http://h;
    }
}
server { listen 443 ssl default_server; ssl_reject_handshake on; }
server { listen 443 ssl; server_name b.example; ssl_certificate a.pem; ssl_certificate_key a.key; }
";

#[test]
fn bodies_and_what_follows_them() {
    let (table, missing) = with_missing(ALL);
    assert_eq!(missing, [""; 0]);
    let site = |path: &str| shown(at(&table, &format!("edge.site.0.{path}")));
    assert_eq!(site("location.0.replace.texts"), r#"[["a", "$host"]]"#);
    assert_eq!(site("location.0.replace.once"), "false");
    assert_eq!(site("recode.charset"), "\"utf-8\"");
    assert_eq!(site("recode.source"), "\"koi8-r\"");
    assert_eq!(site("recode.table"), r#"[["C1", "D0B0"]]"#);
    assert_eq!(site("location.0.trailers.0.add"), "\"X-A\"");
    assert_eq!(site("location.0.reply_rewrite.cookie_flags"), r#"[["one", ["httponly", "samesite=lax"]]]"#);
    assert_eq!(site("location.1.stub_status"), "true");
}

#[test]
fn who_is_believed_and_how_fast() {
    let table = settings(ALL);
    let site = |path: &str| shown(at(&table, &format!("edge.site.0.{path}")));
    assert_eq!(site("trusted_proxies"), "[]");
    assert_eq!(site("location.2.trusted_proxies"), r#"["10.0.0.0/8"]"#);
    assert_eq!(site("location.2.real_ip_header"), "\"X-Forwarded-For\"");
    assert_eq!(site("location.2.real_ip_recursive"), "false");
    assert_eq!(site("location.2.auth_delay"), "\"1s\"");
    assert_eq!(at(&table, "edge.site.0.location.2.limit_rate").as_integer(), Some(4096));
}

#[test]
fn listeners_servers_and_their_hashes() {
    let table = settings(ALL);
    assert_eq!(text(&table, "edge.listen.1.address"), "unix:/run/a.sock");
    assert_eq!(text(&table, "edge.listen.0.bounds.keepalive_timeout"), "5s");
    assert_eq!(text(&table, "edge.site.1.tls"), "reject");
    assert_eq!(text(&table, "edge.site.2.tls.certificate"), "/etc/nginx/conf/a.pem");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.balance"), "hash_modulo");
    assert_eq!(text(&table, "wsgi_adapter.pool.0.hash_key"), "told");
    assert_eq!(text(&table, "edge.site.0.location.0.pool_request.hash"), "$arg_a");
}
