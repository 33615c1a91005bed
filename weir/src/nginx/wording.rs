//! What Weir's settings say is wrong, in nginx's words where scripts and people know those.

/// A mistake, `edge.site[0].return: text`, without the key if nginx has words for it.
pub(super) fn of(mistake: &str) -> String {
    let Some((key, text)) = mistake.split_once(": ") else { return mistake.to_owned() };
    if let Some(rest) = text.strip_prefix("there is no variable `$")
        && let Some((name, hint)) = rest.split_once('`')
    {
        return format!("unknown \"{name}\" variable{hint}");
    }
    if let Some((name, _)) = text.strip_prefix("there is no zone `").and_then(|rest| rest.split_once('`')) {
        let kind = if key.contains("limit_conn") { "limit_conn_zone" } else { "limit_req_zone" };
        return format!("zero size shared memory zone \"{name}\"; no {kind} names it");
    }
    let file = match key.rsplit('.').next() {
        Some("certificate") => "certificate",
        Some("key") => "certificate key",
        _ => return mistake.to_owned(),
    };
    let path_and_reason = text.strip_prefix('`').and_then(|rest| rest.split_once("`: "));
    match path_and_reason.filter(|_| key.contains(".tls.")) {
        Some((path, reason)) => format!("cannot load {file} \"{path}\": {reason}"),
        None => mistake.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nginx_s_words_where_there_are_any() {
        for (mistake, expected) in [
            (
                "edge.site[1].location[1].return: there is no variable `$https_host`; did you mean `$http_host`?",
                "unknown \"https_host\" variable; did you mean `$http_host`?",
            ),
            (
                "edge.listen[0].tls.certificate: `/a.crt`: No such file or directory (os error 2)",
                "cannot load certificate \"/a.crt\": No such file or directory (os error 2)",
            ),
            ("edge.site[0].tls.key: `/a.key`: is empty", "cannot load certificate key \"/a.key\": is empty"),
            (
                "edge.site[1].location[1].limit_req[0].zone: there is no zone `a`; add [edge.limit_zones.a]",
                "zero size shared memory zone \"a\"; no limit_req_zone names it",
            ),
            ("edge.listen[0].address: taken", "edge.listen[0].address: taken"),
            ("nothing to say", "nothing to say"),
        ] {
            assert_eq!(super::of(mistake), expected);
        }
    }
}
