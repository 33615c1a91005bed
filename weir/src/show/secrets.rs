//! What is not shown of settings: passwords in URLs, keys and texts with a secret in them.

use toml::{Table, Value};

/// What stands in place of a secret.
pub(super) const MASK: &str = "***";
/// Settings whose whole value is a secret, by the end of their path.
const SECRET_SETTINGS: [&str; 3] = [".sticky.key", ".sentinel_password", ".secure_link.md5"];
/// Parts of names of variables and fields whose value is a secret.
const SECRET_NAMES: [&str; 8] =
    ["password", "passwd", "secret", "token", "authorization", "credential", "api_key", "api-key"];

/// The value without its secrets.
pub(super) fn masked(path: &str, value: &Value) -> Value {
    if SECRET_SETTINGS.iter().any(|secret| path.ends_with(secret)) {
        return MASK.into();
    }
    match value {
        Value::String(_) if is_secret_name(path.rsplit('.').next().unwrap_or_default()) => MASK.into(),
        Value::String(text) => without_password(text).into(),
        Value::Array(list) => Value::Array(list.iter().map(|value| masked(path, value)).collect()),
        Value::Table(table) => Value::Table(
            table.iter().map(|(key, value)| (key.clone(), masked(&format!("{path}.{key}"), value))).collect(),
        ),
        other => other.clone(),
    }
}

/// Whether this table of `request_fields` or `reply_fields` is about a field whose value is a secret.
pub(super) fn is_of_secret_field(table: &Table) -> bool {
    let names = ["set", "add", "default"].iter().filter_map(|key| table.get(*key)?.as_str());
    names.into_iter().any(is_secret_name)
}

/// Whether a name promises a secret. The file that holds one is none.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.ends_with("_file") && SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// `redis://user:password@host/`, and `redis+unix:///path?pass=password`.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_end);
    let authority = match authority.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split_once(':').map_or("", |(user, _)| user);
            format!("{user}:{MASK}@{host}")
        }
        None => authority.to_owned(),
    };
    let rest = match rest.split_once("pass=") {
        Some((before, secret)) => {
            let end = secret.find('&').unwrap_or(secret.len());
            format!("{before}pass={MASK}{}", secret.get(end..).unwrap_or_default())
        }
        None => rest.to_owned(),
    };
    format!("{scheme}://{authority}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_the_rest_is() {
        for (path, value, shown) in [
            ("cache_node.redis.url", "redis://weir:s3cret@redis:6379/1", "redis://weir:***@redis:6379/1"),
            ("cache_node.redis.url", "redis://:s3cret@redis", "redis://:***@redis"),
            (
                "cache_node.redis.url",
                "redis+unix:///run/r?db=1&pass=s3cret&x=1",
                "redis+unix:///run/r?db=1&pass=***&x=1",
            ),
            ("cache_node.redis.url", "redis://redis:6379", "redis://redis:6379"),
            ("cache_node.redis.sentinel_password", "s3cret", "***"),
            ("wsgi_adapter.pool[0].sticky.key", "0123456789abcdef", "***"),
            ("wsgi_adapter.pool[0].variables.DJANGO_SECRET_KEY", "s3cret", "***"),
            ("edge.site[0].secure_link.md5", "$uri s3cret", "***"),
            ("edge.admin_token_file", "/etc/weir/token", "/etc/weir/token"),
            ("edge.site[0].tls.key", "/etc/weir/a.key", "/etc/weir/a.key"),
        ] {
            assert_eq!(masked(path, &Value::from(value)), Value::from(shown), "{path}");
        }
        let table: Table = "a_token = 'x'\nb = ['redis://u:p@h', 'c']".parse().unwrap();
        let field: Table = "set = 'Authorization'\nvalue = 'Basic x'".parse().unwrap();
        assert!(is_of_secret_field(&field) && !is_of_secret_field(&table));
        let shown = masked("edge", &Value::Table(table)).to_string();
        assert!(shown.contains("***") && !shown.contains("'x'") && !shown.contains(":p@"), "{shown}");
    }
}
