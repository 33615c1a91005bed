//! Which flag of `weir serve` a setting comes from.

use super::setting::ValueOrigin;

/// Settings by the end of their path, and the flags that set them; the first flag that was given counts.
const FLAGS: &[(&str, &[&str])] = &[
    ("edge.listen", &["--listen", "--tls", "--domain", "--listen-http"]),
    ("edge.admin", &["--admin"]),
    ("edge.trusted_proxies", &["--trusted-proxy"]),
    ("edge.purge_allow", &["--purge-allow"]),
    ("acme.directory", &["--acme-directory"]),
    ("acme.email", &["--acme-email"]),
    ("acme.ca", &["--acme-ca"]),
    ("acme.state", &["--acme-state"]),
    (".server_name", &["--domain"]),
    (".security", &["--hsts"]),
    (".alias", &["--static"]),
    (".cache.ttl", &["--ttl"]),
    (".max_body", &["--max-body"]),
    (".timeout", &["--timeout"]),
    ("pool[0].servers[0]", &["--app"]),
    (".buffer_size", &["--buffer-size"]),
];

/// Where a setting of the text made from these arguments comes from.
pub(super) fn origin(path: &str, arguments: &[String]) -> ValueOrigin {
    let given = |flag: &&str| {
        let mut arguments = arguments.iter();
        arguments.any(|argument| {
            argument.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    let flags = FLAGS.iter().find(|(end, _)| path.ends_with(end)).map(|(_, flags)| *flags);
    match flags.and_then(|flags| flags.iter().find(|flag| given(flag))) {
        Some(flag) => ValueOrigin::Flag(flag),
        None if flags.is_some() => ValueOrigin::Default,
        None => ValueOrigin::Serve,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_was_given_is_named() {
        let arguments = ["--app", "127.0.0.1:2", "--ttl=5s"].map(str::to_owned);
        for (path, expected) in [
            ("edge.site[0].location[0].cache.ttl", ValueOrigin::Flag("--ttl")),
            ("wsgi_adapter.pool[0].servers[0]", ValueOrigin::Flag("--app")),
            ("edge.site[0].location[0].max_body", ValueOrigin::Default),
            ("edge.site[0].location[0].match", ValueOrigin::Serve),
        ] {
            assert_eq!(origin(path, &arguments), expected, "{path}");
        }
    }
}
