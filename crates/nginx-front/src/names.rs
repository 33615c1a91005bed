//! What is known of a directive by its name alone: done, of no effect here, or not done and why.

use nginx_conf::{Directive, is_known};

use crate::capabilities::Capabilities;
use crate::fields::is_upgrade_map;
use crate::ledger::{Ledger, Verdict};

/// Directives that some code here reads. A name stands here only if every value of it is looked at.
const DONE: &[&str] = &[
    "access_log",
    "alias",
    "client_body_timeout",
    "client_header_timeout",
    "client_max_body_size",
    "daemon",
    "error_log",
    "events",
    "expires",
    "fastcgi_connect_timeout",
    "fastcgi_index",
    "fastcgi_param",
    "fastcgi_pass",
    "fastcgi_read_timeout",
    "fastcgi_send_timeout",
    "gzip_static",
    "hash",
    "http",
    "http2",
    "include",
    "index",
    "internal",
    "ip_hash",
    "keepalive",
    "keepalive_requests",
    "keepalive_time",
    "keepalive_timeout",
    "large_client_header_buffers",
    "least_conn",
    "least_time",
    "listen",
    "location",
    "log_not_found",
    "max_headers",
    "pid",
    "proxy_buffering",
    "proxy_cache",
    "proxy_cache_background_update",
    "proxy_cache_bypass",
    "proxy_cache_key",
    "proxy_cache_lock",
    "proxy_cache_methods",
    "proxy_cache_min_uses",
    "proxy_cache_path",
    "proxy_cache_revalidate",
    "proxy_cache_use_stale",
    "proxy_cache_valid",
    "proxy_connect_timeout",
    "proxy_ignore_client_abort",
    "proxy_next_upstream",
    "proxy_next_upstream_timeout",
    "proxy_next_upstream_tries",
    "proxy_no_cache",
    "proxy_pass",
    "proxy_read_timeout",
    "proxy_redirect",
    "proxy_set_header",
    "proxy_request_buffering",
    "proxy_send_timeout",
    "random",
    "real_ip_header",
    "real_ip_recursive",
    "root",
    "send_timeout",
    "server",
    "server_name",
    "set_real_ip_from",
    "ssl_certificate",
    "ssl_certificate_key",
    "upstream",
    "user",
    "uwsgi_buffering",
    "uwsgi_cache",
    "uwsgi_cache_background_update",
    "uwsgi_cache_bypass",
    "uwsgi_cache_key",
    "uwsgi_cache_lock",
    "uwsgi_cache_methods",
    "uwsgi_cache_min_uses",
    "uwsgi_cache_path",
    "uwsgi_cache_revalidate",
    "uwsgi_cache_use_stale",
    "uwsgi_cache_valid",
    "uwsgi_connect_timeout",
    "uwsgi_ignore_client_abort",
    "uwsgi_next_upstream",
    "uwsgi_next_upstream_timeout",
    "uwsgi_next_upstream_tries",
    "uwsgi_no_cache",
    "uwsgi_param",
    "uwsgi_pass",
    "uwsgi_read_timeout",
    "uwsgi_request_buffering",
    "uwsgi_send_timeout",
    "weir_admin",
    "weir_microcache",
    "weir_redis",
];

/// Done where the settings can say where a request goes.
const ROUTES: &[&str] = &[
    "absolute_redirect",
    "autoindex",
    "autoindex_format",
    "break",
    "default_type",
    "error_page",
    "fastcgi_intercept_errors",
    "if",
    "limit_except",
    "port_in_redirect",
    "proxy_intercept_errors",
    "return",
    "rewrite",
    "server_name_in_redirect",
    "set",
    "try_files",
    "types",
    "uwsgi_intercept_errors",
];

/// Done where the settings can change fields.
const FIELDS: &[&str] = &["add_header", "fastcgi_hide_header", "proxy_hide_header", "uwsgi_hide_header"];

const MAPS: &[&str] = &["geo", "map", "split_clients"];

const COMPRESS: &[&str] = &[
    "brotli",
    "brotli_comp_level",
    "brotli_min_length",
    "brotli_types",
    "gzip",
    "gzip_comp_level",
    "gzip_disable",
    "gzip_http_version",
    "gzip_min_length",
    "gzip_proxied",
    "gzip_types",
    "gzip_vary",
    "zstd",
    "zstd_comp_level",
    "zstd_min_length",
    "zstd_types",
];

const ACCESS: &[&str] = &[
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "deny",
    "limit_conn",
    "limit_conn_dry_run",
    "limit_conn_log_level",
    "limit_conn_status",
    "limit_conn_zone",
    "limit_rate",
    "limit_rate_after",
    "limit_req",
    "limit_req_dry_run",
    "limit_req_log_level",
    "limit_req_status",
    "limit_req_zone",
    "satisfy",
];

/// Directives that tune what Weir does not have, or has in another form that needs no setting.
const NO_EFFECT: &[&str] = &[
    "accept_mutex",
    "accept_mutex_delay",
    "aio",
    "aio_write",
    "brotli_buffers",
    "brotli_window",
    "client_body_buffer_size",
    "client_body_in_file_only",
    "client_body_in_single_buffer",
    "client_body_temp_path",
    "client_header_buffer_size",
    "connection_pool_size",
    "debug_connection",
    "debug_points",
    "directio",
    "directio_alignment",
    "env",
    "fastcgi_buffer_size",
    "fastcgi_buffers",
    "fastcgi_busy_buffers_size",
    "fastcgi_keep_conn",
    "fastcgi_max_temp_file_size",
    "fastcgi_temp_file_write_size",
    "fastcgi_temp_path",
    "gzip_buffers",
    "gzip_hash",
    "gzip_no_buffer",
    "gzip_window",
    "http2_body_preread_size",
    "http2_chunk_size",
    "http2_idle_timeout",
    "http2_max_field_size",
    "http2_max_header_size",
    "http2_recv_buffer_size",
    "http2_recv_timeout",
    "keepalive_min_timeout",
    "lingering_close",
    "lingering_time",
    "lingering_timeout",
    "load_module",
    "lock_file",
    "map_hash_bucket_size",
    "map_hash_max_size",
    "master_process",
    "multi_accept",
    "open_file_cache",
    "open_file_cache_errors",
    "open_file_cache_min_uses",
    "open_file_cache_valid",
    "open_log_file_cache",
    "output_buffers",
    "pcre_jit",
    "postpone_output",
    "proxy_buffer_size",
    "proxy_buffers",
    "proxy_busy_buffers_size",
    "proxy_cache_lock_age",
    "proxy_cache_lock_timeout",
    "proxy_headers_hash_bucket_size",
    "proxy_headers_hash_max_size",
    "proxy_http_version",
    "proxy_max_temp_file_size",
    "proxy_socket_keepalive",
    "proxy_temp_file_write_size",
    "proxy_temp_path",
    "read_ahead",
    "request_pool_size",
    "reset_timedout_connection",
    "rewrite_log",
    "scgi_temp_path",
    "send_lowat",
    "sendfile",
    "sendfile_max_chunk",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "ssl_buffer_size",
    "ssl_dhparam",
    "ssl_early_data",
    "ssl_ecdh_curve",
    "ssl_engine",
    "ssl_object_cache_inheritable",
    "ssl_prefer_server_ciphers",
    "ssl_session_cache",
    "ssl_session_tickets",
    "ssl_session_timeout",
    "subrequest_output_buffer_size",
    "tcp_nodelay",
    "tcp_nopush",
    "thread_pool",
    "timer_resolution",
    "types_hash_bucket_size",
    "types_hash_max_size",
    "use",
    "uwsgi_buffer_size",
    "uwsgi_buffers",
    "uwsgi_busy_buffers_size",
    "uwsgi_cache_lock_age",
    "uwsgi_cache_lock_timeout",
    "uwsgi_max_temp_file_size",
    "uwsgi_socket_keepalive",
    "uwsgi_temp_file_write_size",
    "uwsgi_temp_path",
    "variables_hash_bucket_size",
    "variables_hash_max_size",
    "worker_aio_requests",
    "worker_connections",
    "worker_cpu_affinity",
    "worker_priority",
    "worker_processes",
    "worker_rlimit_core",
    "worker_rlimit_nofile",
    "worker_shutdown_timeout",
    "working_directory",
    "zone",
];

/// Weir differs, in nothing that changes an answer.
const DIFFERENT: &[(&str, &str)] = &[
    ("resolver", "Weir asks the system's name servers each time it connects"),
    ("resolver_timeout", "Weir asks the system's name servers within the time for connecting"),
    ("ssl_ciphers", "TLS 1.2 and 1.3 with the safe ciphers of rustls"),
    ("ssl_protocols", "TLS 1.2 and 1.3"),
    ("ssl_stapling", "no OCSP stapling, which browsers no longer need"),
    ("ssl_stapling_verify", "no OCSP stapling, which browsers no longer need"),
    ("ssl_stapling_file", "no OCSP stapling, which browsers no longer need"),
    ("ssl_trusted_certificate", "no OCSP stapling, which browsers no longer need"),
    ("server_tokens", "Weir never names its version"),
    ("charset", "texts are UTF-8, and say so"),
    ("override_charset", "texts are UTF-8, and say so"),
    ("source_charset", "texts are UTF-8, and say so"),
    ("charset_types", "texts are UTF-8, and say so"),
    ("log_format", "the access log has the format `combined`"),
    ("etag", "files have validators, as by default"),
];

/// Not done, with what to write instead.
const NOT_DONE: &[(&str, &str, &str)] = &[
    ("stream", "Weir serves HTTP only", "leave TCP and UDP to nginx or HAProxy"),
    ("mail", "Weir serves HTTP only", "leave mail to nginx"),
    ("grpc_pass", "Weir does not speak HTTP/2 to applications", ""),
    ("scgi_pass", "Weir does not speak SCGI", "let the application speak uwsgi, FastCGI or HTTP"),
    ("memcached_pass", "Weir does not speak to memcached", ""),
    ("perl", "Weir runs no code", ""),
    ("js_import", "Weir runs no code", ""),
    ("modsecurity", "Weir has no rules of ModSecurity", "keep nginx with ModSecurity before Weir"),
    ("ssi", "Weir does not process server-side includes", ""),
    ("xslt_stylesheet", "Weir does not transform XML", ""),
    ("image_filter", "Weir does not change images", ""),
    ("dav_methods", "Weir does not write files", ""),
];

/// Names that other modules than nginx's own bring, and ours.
const FOREIGN: &[&str] = &[
    "weir_",
    "brotli",
    "zstd",
    "more_",
    "js_",
    "modsecurity",
    "lua_",
    "vhost_traffic_status",
    "upload_progress",
    "track_uploads",
    "report_uploads",
    "passenger_",
    "pagespeed",
    "auth_ldap",
    "auth_jwt",
    "geoip2",
    "fancyindex",
    "echo",
    "set_misc",
    "headers_more",
    "vod",
    "rtmp",
    "nchan",
    "naxsi",
    "otel_",
    "opentracing",
    "acme_",
    "health_check",
    "status_zone",
    "sticky_cookie_insert",
    "push_stream",
    "cache_purge",
    "proxy_cache_purge",
    "uwsgi_cache_purge",
    "check",
    "uploadprogress",
    "testcookie",
    "http_dyups",
    "xss_",
    "iconv",
    "rds_json",
    "srcache_",
    "ssl_ct",
    "dav_ext",
    "create_full_put",
    "substitutions",
    "subs_filter",
    "set_escape_uri",
    "set_unescape_uri",
    "access_by",
    "content_by",
    "rewrite_by",
    "header_filter_by",
    "body_filter_by",
    "log_by",
    "init_by",
];

/// Whether a name that nginx does not know is that of a module of somebody else, or of Weir.
pub fn is_foreign(name: &str) -> bool {
    !is_known(name) && FOREIGN.iter().any(|prefix| name.starts_with(prefix))
}

/// Gives each directive the verdict that its name alone tells.
pub(crate) fn settle(directives: &[Directive], can: Capabilities, ledger: &mut Ledger<'_>) {
    for directive in directives {
        let name = directive.name();
        let conditional = [
            (can.routes, ROUTES),
            (can.fields, FIELDS),
            (can.maps, MAPS),
            (can.compress, COMPRESS),
            (can.access, ACCESS),
        ];
        let is_done = |(can, names): &(bool, &[&str])| *can && names.contains(&name);
        if DONE.contains(&name) || conditional.iter().any(is_done) {
            ledger.done(directive);
        } else if NO_EFFECT.contains(&name) {
            ledger.put(directive, Verdict::NoEffect);
        } else if COMPRESS.contains(&name) && (!name.ends_with("gzip") || directive.arg(0) == Some("off")) {
            ledger.put(directive, Verdict::NoEffect); // it only says how, or that nothing is to be done
        } else if directive.arg(0) == Some("off") && (ACCESS.contains(&name) || name == "autoindex") {
            ledger.put(directive, Verdict::NoEffect);
        } else if name == "set" {
            // A constant in the address of an application is filled in; the rest is known in the end.
        } else if name == "charset" && !directive.arg(0).is_some_and(is_utf8) {
            ledger.not_done(directive, "texts are UTF-8, and say so", "store them in UTF-8");
        } else if let Some((_, how)) = DIFFERENT.iter().find(|(known, _)| *known == name) {
            ledger.different(directive, *how);
        } else if is_upgrade_map(directive) {
            ledger.different(directive, "Weir passes WebSocket on by itself");
        } else if let Some((_, why, instead)) = NOT_DONE.iter().find(|(known, ..)| *known == name) {
            ledger.not_done(directive, *why, instead);
            continue;
        } else {
            let why = if is_foreign(name) {
                "it belongs to a module that is not nginx's own"
            } else {
                "Weir has no setting for it"
            };
            ledger.not_done(directive, why, "");
        }
        // The lines of these blocks are no directives.
        if !matches!(name, "types" | "map" | "geo" | "split_clients" | "charset_map" | "match") {
            settle(directive.children(), can, ledger);
        }
    }
}

fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "off"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

/// Says of each directive that no part has looked at that it is not done.
pub(crate) fn settle_rest(directives: &[Directive], ledger: &mut Ledger<'_>) {
    for directive in directives {
        if directive.name() == "set" && !ledger.knows(directive) {
            ledger.not_done(directive, "variables cannot be set yet", "");
        }
        settle_rest(directive.children(), ledger);
    }
}
