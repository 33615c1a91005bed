//! The files that every package of nginx brings and that configurations include: `mime.types`, `uwsgi_params`
//! and the like. Where nginx is not installed, these stand in for them.

/// Variables of uwsgi and FastCGI, each with nginx's value.
const OF_REQUEST: &[(&str, &str)] = &[
    ("QUERY_STRING", "$query_string"),
    ("REQUEST_METHOD", "$request_method"),
    ("CONTENT_TYPE", "$content_type"),
    ("CONTENT_LENGTH", "$content_length"),
    ("REQUEST_URI", "$request_uri"),
    ("DOCUMENT_ROOT", "$document_root"),
    ("SERVER_PROTOCOL", "$server_protocol"),
    ("REQUEST_SCHEME", "$scheme"),
    ("HTTPS", "$https if_not_empty"),
    ("REMOTE_ADDR", "$remote_addr"),
    ("REMOTE_PORT", "$remote_port"),
    ("SERVER_PORT", "$server_port"),
    ("SERVER_NAME", "$server_name"),
];
const OF_UWSGI: &[(&str, &str)] = &[("PATH_INFO", "$document_uri")];
const OF_FASTCGI: &[(&str, &str)] = &[
    ("SCRIPT_NAME", "$fastcgi_script_name"),
    ("DOCUMENT_URI", "$document_uri"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", "nginx/$nginx_version"),
    ("SERVER_ADDR", "$server_addr"),
    ("REDIRECT_STATUS", "200"),
];
const SCRIPT: &[(&str, &str)] = &[("SCRIPT_FILENAME", "$document_root$fastcgi_script_name")];
/// Debian's `proxy_params`.
const OF_PROXY: &[(&str, &str)] = &[
    ("Host", "$http_host"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    ("X-Forwarded-Proto", "$scheme"),
];

/// The text of a file by its path, if it is one of those.
pub(super) fn text_of(path: &str) -> Option<String> {
    let lines = |directive: &str, tables: &[&[(&str, &str)]]| {
        let all = tables.iter().flat_map(|table| table.iter());
        all.map(|(name, value)| format!("{directive} {name} {value};\n")).collect::<String>()
    };
    Some(match path.rsplit('/').next()? {
        "mime.types" => nginx_front::types_block(),
        "uwsgi_params" => lines("uwsgi_param", &[OF_REQUEST, OF_UWSGI]),
        "fastcgi_params" => lines("fastcgi_param", &[OF_REQUEST, OF_FASTCGI]),
        "fastcgi.conf" => lines("fastcgi_param", &[SCRIPT, OF_REQUEST, OF_FASTCGI]),
        "proxy_params" => lines("proxy_set_header", &[OF_PROXY]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use nginx_conf::{Contexts, check, parse};

    use super::*;

    #[test]
    fn what_stands_in_is_right_nginx_conf() {
        for name in
            ["mime.types", "/etc/nginx/uwsgi_params", "fastcgi_params", "a/fastcgi.conf", "proxy_params"]
        {
            let text = text_of(name).unwrap_or_default();
            let parsed = parse(name, text.as_bytes(), &mut |_| Ok(Vec::new()));
            let mistakes = check(&parsed, Contexts::HTTP, &|_| false);
            assert!(
                parsed.mistakes.is_empty() && mistakes.is_empty() && !parsed.directives.is_empty(),
                "{name}"
            );
        }
        assert_eq!(text_of("/etc/nginx/conf.d/site.conf"), None);
    }
}
