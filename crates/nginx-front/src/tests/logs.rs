//! Logs as settings.

use super::*;

#[test]
fn a_log_has_the_format_of_the_file() {
    let (table, missing) = with_missing(
        "error_log /var/log/error.log error; events { } http { \
         log_format main '$remote_addr \"$request\" ' '${status} $request_time'; \
         log_format json escape=json '{\"a\":\"$upstream_addr\"}'; \
         map $status $loggable { default 0; ~^5 1; } \
         access_log /var/log/access.log main buffer=32k flush=5s; access_log /dev/stdout; \
         server { location /a { access_log off; } \
         location /b { access_log logs/b.log json if=$loggable; location /b/c { root /x; } \
         location /b/d { access_log off; } } } \
         server { access_log syslog:server=127.0.0.1:514 main; } }",
    );
    assert_eq!(missing, [""; 0]);
    let of = |path: &str| shown_table(at(&table, &format!("edge.{path}")));
    assert_eq!(text(&table, "edge.access_log_to"), "stdout");
    assert_eq!(text(&table, "edge.error_log_level"), "warn");
    assert_eq!(of("logs.0"), "format = main, to = /var/log/access.log");
    assert_eq!(text(&table, "edge.log_formats.main"), "$remote_addr \"$request\" ${status} $request_time");
    assert_eq!(of("log_formats.nginx-json"), "escape = json, text = {\"a\":\"$upstream_addr\"}");
    assert_eq!(shown(at(&table, "edge.site.0.location.0.access_log")), "false");
    let b = "site.0.location.1";
    assert_eq!(of(&format!("{b}.logs.0")), "format = nginx-json, if = $loggable, to = /etc/nginx/logs/b.log");
    assert_eq!(shown(at(&table, &format!("edge.{b}.access_log"))), "false");
    assert!(at(&table, &format!("edge.{b}.location.0")).get("logs").is_none());
    assert_eq!(shown(at(&table, &format!("edge.{b}.location.1.logs"))), "[]");
    assert_eq!(of("site.1.logs.0"), "format = main, to = syslog:server=127.0.0.1:514");
}

/// `key = text` for each, by key.
fn shown_table(value: &Value) -> String {
    let table = value.as_table().unwrap();
    let line = |(key, value): (&String, &Value)| format!("{key} = {}", value.as_str().unwrap());
    table.iter().map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_a_log_cannot_say_is_said() {
    let (table, missing) = with_missing(
        "log_format x '$pipe $geoip_country_code ${ssl_curves}s'; error_log a.log; \
         server { error_log b.log; access_log a.log x; access_log /l/$host.log; access_log b.log none; }",
    );
    assert_eq!(text(&table, "edge.log_formats.x"), "$pipe - -s");
    assert_eq!(text(&table, "edge.site.0.error_log.0.to"), "/etc/nginx/b.log");
    assert_eq!(text(&table, "edge.site.0.error_log.0.level"), "warn");
    assert_eq!(
        missing,
        [
            "\"log_format\" is not done: these variables have no value here: $geoip_country_code, \
             $ssl_curves in nginx.conf:1",
            "\"access_log\" is not done: `log_format none` is in the nginx.conf around this file: combined is used in nginx.conf:1",
        ]
    );
    assert_eq!(text(&table, "edge.site.0.logs.0.to"), "/etc/nginx/a.log");
    // A whole file has all formats that there are.
    let (_, missing) = with_missing("events { } http { server { access_log b.log none; } }");
    assert_eq!(
        missing,
        ["\"access_log\" is not done: there is no log_format `none`; name one, or combined in nginx.conf:1"]
    );
}
