//! "Did you mean …?" for names that are not known.

/// How alike two names must be, from 0 to 1, for one to be taken for a slip of the other: by common letters
/// and a common beginning (Jaro-Winkler), or by the edits between them (Damerau-Levenshtein), which sees more
/// in short names.
const ALIKE: f64 = 0.8;
const FEW_EDITS: f64 = 0.6;

/// Names by which nginx's users look for a key, and the key.
const NGINX_NAMES: &[(&str, &str)] = &[
    ("add_header", "reply_fields"),
    ("allow", "access"),
    ("auth_basic_user_file", "auth_basic"),
    ("autoindex_format", "autoindex"),
    ("brotli", "compress"),
    ("client_max_body_size", "max_body"),
    ("deny", "access"),
    ("disable_symlinks", "symlinks"),
    ("fastcgi_intercept_errors", "intercept_errors"),
    ("fastcgi_pass", "pool"),
    ("gzip", "compress"),
    ("gzip_static", "precompressed"),
    ("gzip_types", "compress"),
    ("if", "rule"),
    ("limit_conn_status", "limit_conn"),
    ("limit_conn_zone", "limit_zones"),
    ("limit_req_status", "limit_req"),
    ("limit_req_zone", "limit_zones"),
    ("log_format", "log_formats"),
    ("more_set_headers", "reply_fields"),
    ("proxy_buffering", "buffering"),
    ("proxy_cache", "cache"),
    ("proxy_cache_valid", "cache"),
    ("proxy_cookie_domain", "reply_rewrite"),
    ("proxy_cookie_flags", "reply_rewrite"),
    ("proxy_cookie_path", "reply_rewrite"),
    ("proxy_hide_header", "reply_fields"),
    ("proxy_ignore_client_abort", "ignore_client_abort"),
    ("proxy_intercept_errors", "intercept_errors"),
    ("proxy_method", "pool_request"),
    ("proxy_pass", "pool"),
    ("proxy_read_timeout", "timeout"),
    ("proxy_redirect", "reply_rewrite"),
    ("proxy_request_buffering", "request_buffering"),
    ("proxy_set_body", "pool_request"),
    ("proxy_set_header", "request_fields"),
    ("secure_link_md5", "secure_link"),
    ("server", "site"),
    ("set_real_ip_from", "trusted_proxies"),
    ("split_clients", "split"),
    ("ssl_certificate", "tls"),
    ("sub_filter", "replace"),
    ("uwsgi_cache", "cache"),
    ("uwsgi_cache_valid", "cache"),
    ("uwsgi_intercept_errors", "intercept_errors"),
    ("uwsgi_pass", "pool"),
    ("uwsgi_read_timeout", "timeout"),
];

/// A sentence on a `kind` ("key", "section") that is none of `known`: names the nearest, or all.
pub(super) fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    let own = NGINX_NAMES.iter().find(|(theirs, own)| *theirs == name && known.contains(own));
    if let Some((_, own)) = own {
        return format!("unknown {kind} `{name}`; what nginx calls that is `{own}` here");
    }
    match nearest(name, known) {
        Some(nearest) => format!("unknown {kind} `{name}`; did you mean `{nearest}`?"),
        None if known.is_empty() => format!("unknown {kind} `{name}`; none is known here"),
        None => format!("unknown {kind} `{name}`; known here: {}", listed(known, '`', "and")),
    }
}

/// A sentence on a value that is none of `known`.
pub(super) fn unknown_value(value: &str, known: &[&str]) -> String {
    let hint = nearest(value, known).map(|nearest| format!("; did you mean \"{nearest}\"?"));
    format!("must be {}, not {value:?}{}", listed(known, '"', "or"), hint.unwrap_or_default())
}

/// "a", "b" or "c".
pub(super) fn listed(names: &[&str], quote: char, conjunction: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{quote}{name}{quote}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {conjunction} {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |other: &str| {
        (strsim::jaro_winkler(name, other), strsim::normalized_damerau_levenshtein(name, other))
    };
    let slips = known.iter().map(|other| (likeness(other), *other));
    let alike = slips.filter(|((letters, edits), _)| *letters >= ALIKE || *edits >= FEW_EDITS);
    alike.max_by(|((a, _), _), ((b, _), _)| a.total_cmp(b)).map(|(_, other)| other)
}
