//! Directives that Weir does in its own way, and those that it does not do.

/// Weir differs, in nothing that changes an answer.
pub(super) const DIFFERENT: &[(&str, &str)] = &[
    ("resolver", "Weir asks the system's name servers each time it connects"),
    ("resolver_timeout", "Weir asks the system's name servers within the time for connecting"),
    ("ssl_ciphers", "TLS 1.2 and 1.3 with the safe ciphers of rustls"),
    ("ssl_protocols", "TLS 1.2 and 1.3"),
    ("proxy_ssl_ciphers", "TLS 1.2 and 1.3 with the safe ciphers of rustls"),
    ("proxy_ssl_protocols", "TLS 1.2 and 1.3"),
    ("proxy_ssl_server_name", "servers are always told the name that they are asked for"),
    ("proxy_ssl_verify_depth", "a chain of certificates may have any usual length"),
    ("ssl_stapling", "no OCSP stapling, which browsers no longer need"),
    ("ssl_stapling_verify", "no OCSP stapling, which browsers no longer need"),
    ("ssl_stapling_file", "no OCSP stapling, which browsers no longer need"),
    ("ssl_trusted_certificate", "no OCSP stapling, which browsers no longer need"),
    ("server_tokens", "Weir never names its version"),
    ("etag", "files have validators, as by default"),
    ("gzip_disable", "browsers that do not understand gzip do not ask for it"),
    ("gzip_http_version", "replies to HTTP/1.0 are not compressed"),
    ("gzip_proxied", "replies are compressed for proxies too, because they say Vary"),
    ("gzip_vary", "what may be compressed always says Vary: Accept-Encoding"),
    ("fastcgi_split_path_info", "a script is what ends in .php, and what follows it is PATH_INFO"),
    ("proxy_pass_header", "the fields of applications reach clients, all but Server and Date"),
    ("uwsgi_pass_header", "the fields of applications reach clients, all but Server and Date"),
    ("fastcgi_pass_header", "the fields of applications reach clients, all but Server and Date"),
    ("http3", "clients use HTTP/2 instead of HTTP/3"),
    (
        "if_modified_since",
        "a date is compared as RFC 9110 has it: a file that has not changed since is not sent",
    ),
    ("keepalive_disable", "no browser of today needs it"),
    (
        "ssl_reject_handshake",
        "clients that name no server of this address get the certificate of another one",
    ),
    ("autoindex_exact_size", "lists of directories have a form of their own"),
    ("autoindex_localtime", "lists of directories have a form of their own"),
    ("limit_conn_log_level", "each refusal is logged as a warning"),
    ("limit_req_log_level", "each refusal is logged as a warning"),
];

/// Directives that are on if a file does not say `off`. Of all others, one that says `off` asks for nothing.
pub(super) const USUALLY_ON: &[&str] =
    &["chunked_transfer_encoding", "ignore_invalid_headers", "merge_slashes", "proxy_cache_convert_head"];

/// Not done, with what to write instead.
pub(super) const NOT_DONE: &[(&str, &str, &str)] = &[
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
