//! What differs between two answers, and what of it is meant to.

use super::client::Reply;
use super::probe::Probe;

/// Fields that tell of the program, of the connection or of the time, not of the answer.
const LEFT_OUT: [&str; 13] = [
    "age",
    "alt-svc",
    "cache-status",
    "connection",
    "content-length",
    "date",
    "etag",
    "keep-alive",
    "proxy-status",
    "server",
    "transfer-encoding",
    "via",
    "x-cache-status",
];
/// Fields of the pages that each program has of its own.
const OF_OWN_PAGES: [&str; 7] = [
    "accept-ranges",
    "allow",
    "cache-control",
    "content-language",
    "content-type",
    "last-modified",
    "x-content-type-options",
];
/// The number of bytes of a body that are shown around the first byte that differs.
const SHOWN: usize = 60;

/// Something that is not the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// `status`, the name of a field, or `body`.
    pub(super) what: String,
    pub(super) nginx: String,
    pub(super) weir: String,
    /// The line of docs/nginx-differences.md that says so.
    pub(super) intended: Option<&'static str>,
}

/// The answers to one request.
pub(super) struct Comparison<'a> {
    pub(super) probe: &'a Probe,
    pub(super) nginx: Option<&'a Reply>,
    pub(super) weir: Option<&'a Reply>,
    /// nginx's answer to the same request once more.
    pub(super) again: Option<&'a Reply>,
}

impl Comparison<'_> {
    pub(super) fn differences(&self) -> Vec<Difference> {
        let (nginx, weir) = match (self.nginx, self.weir) {
            (Some(nginx), Some(weir)) => (nginx, weir),
            (None, None) => return Vec::new(),
            (nginx, weir) => {
                let status = |reply: Option<&Reply>| {
                    reply.map_or_else(|| "no answer".to_owned(), |one| one.status.to_string())
                };
                return vec![self.found("status", status(nginx), status(weir))];
            }
        };
        let again = self.again.unwrap_or(nginx);
        if nginx.status != weir.status {
            // Another answer altogether: its fields and body differ too.
            let differs = again.status == nginx.status;
            let found = || self.found("status", nginx.status.to_string(), weir.status.to_string());
            return differs.then(found).into_iter().collect();
        }
        let is_own = is_own_page(nginx) && is_own_page(weir);
        let mut found = Vec::new();
        for name in names(nginx, weir) {
            if is_own && OF_OWN_PAGES.contains(&name) {
                continue;
            }
            let (one, other) = (nginx.field(name), weir.field(name));
            if one != other && again.field(name) == one {
                let shown = |value: Option<String>| {
                    value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
                };
                found.push(self.found(name, shown(one), shown(other)));
            }
        }
        let is_coded = nginx.field("content-encoding").is_some();
        if !is_own && !is_coded && nginx.body != weir.body && again.body == nginx.body {
            let (one, other) = around(&nginx.body, &weir.body);
            found.push(self.found("body", one, other));
        }
        found
    }

    fn found(&self, what: &str, nginx: String, weir: String) -> Difference {
        let intended = self.intended(what, &nginx, &weir);
        Difference { what: what.to_owned(), nginx, weir, intended }
    }

    /// Whether it is one of those that are on purpose.
    fn intended(&self, what: &str, nginx: &str, weir: &str) -> Option<&'static str> {
        let without_charset = |text: &str| text.replace(", charset=\"UTF-8\"", "");
        let is_list = |reply: Option<&Reply>| reply.is_some_and(|reply| contains(&reply.body, b"Index of"));
        match what {
            "status" if is_hidden(self.probe.path()) && weir == "404" => {
                Some("files whose names begin with a dot, and backups, are not found")
            }
            "www-authenticate" if without_charset(nginx) == without_charset(weir) => {
                Some("WWW-Authenticate says that names and passwords are UTF-8 (RFC 7617)")
            }
            "vary" if without_coding(nginx) == without_coding(weir) => {
                Some("what may be compressed always says Vary: Accept-Encoding")
            }
            _ if has_dots(self.probe.path()) => {
                Some("dot segments of a path are resolved before the application sees it")
            }
            "accept-ranges" if self.nginx.is_some_and(|reply| reply.status == 206) => {
                Some("a part of a file says that other parts may be asked for")
            }
            "content-type" if last(nginx) == last(weir) => {
                Some("a Content-Type of add_header replaces the one that is there")
            }
            "body" if is_list(self.nginx) && is_list(self.weir) => {
                Some("lists of directories leave out what is not served")
            }
            _ => None,
        }
    }
}

/// Names of all fields that are compared, each once.
fn names<'a>(nginx: &'a Reply, weir: &'a Reply) -> Vec<&'a str> {
    let all = nginx.fields.iter().chain(&weir.fields).map(|(name, _)| name.as_str());
    let mut names: Vec<&str> = all.filter(|name| !LEFT_OUT.contains(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A page that the program has for a status, not the site.
fn is_own_page(reply: &Reply) -> bool {
    let is_empty = reply.body.is_empty() && reply.status >= 300;
    is_empty
        || contains(&reply.body, b"<center>nginx")
        || reply.body.starts_with(b"<!doctype html>\n<html lang=\"en\"><head>")
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

fn is_hidden(path: &str) -> bool {
    const BACKUPS: [&str; 4] = ["~", ".bak", ".swp", ".orig"];
    let is_dotted =
        |part: &str| part.starts_with('.') && part != ".well-known" && part.len() > 1 && part != "..";
    path.split('/').any(is_dotted) || BACKUPS.iter().any(|end| path.ends_with(end))
}

/// The last of several values.
fn last(shown: &str) -> &str {
    shown.trim_matches('`').rsplit(", ").next().unwrap_or_default()
}

fn has_dots(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "." | ".."))
}

/// The values of `Vary` but for Accept-Encoding, in order.
fn without_coding(shown: &str) -> Vec<String> {
    let inner = shown.trim_matches('`');
    let all = inner.split(',').map(|value| value.trim().to_ascii_lowercase());
    let mut values: Vec<String> =
        all.filter(|value| !matches!(value.as_str(), "accept-encoding" | "none" | "")).collect();
    values.sort();
    values.dedup();
    values
}

/// What stands around the first byte that differs.
fn around(one: &[u8], other: &[u8]) -> (String, String) {
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let from = at.saturating_sub(SHOWN / 3);
    let shown = |body: &[u8]| {
        let part = body.get(from..).unwrap_or_default();
        let part = part.get(..SHOWN).unwrap_or(part);
        format!("{} bytes, from byte {from} `{}`", body.len(), String::from_utf8_lossy(part).escape_debug())
    };
    (shown(one), shown(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, fields: &[(&str, &str)], body: &str) -> Reply {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Reply { status, fields, body: body.as_bytes().to_vec() }
    }

    fn found(target: &str, nginx: &Reply, weir: &Reply, again: &Reply) -> Vec<(String, bool)> {
        let probe = Probe {
            listen: "80".to_owned(),
            secure: false,
            method: "GET".to_owned(),
            host: "a".to_owned(),
            target: target.to_owned(),
            fields: Vec::new(),
        };
        let comparison =
            Comparison { probe: &probe, nginx: Some(nginx), weir: Some(weir), again: Some(again) };
        comparison.differences().into_iter().map(|found| (found.what, found.intended.is_some())).collect()
    }

    #[test]
    fn what_tells_of_the_program_is_no_difference() {
        let nginx = reply(200, &[("server", "nginx"), ("etag", "\"1-2\""), ("date", "a")], "x");
        let weir = reply(200, &[("date", "b"), ("etag", "\"3\"")], "x");
        assert_eq!(found("/", &nginx, &weir, &nginx), []);
        let nginx = reply(404, &[("content-type", "text/html")], "<center>nginx/1.31</center>");
        let weir = reply(404, &[], "<!doctype html>\n<html lang=\"en\"><head><title>404");
        assert_eq!(found("/", &nginx, &weir, &nginx), []);
    }

    #[test]
    fn status_fields_and_body_are_compared() {
        let nginx = reply(200, &[("x-own", "1")], "one");
        let cases = [
            (reply(404, &[], ""), vec![("status".to_owned(), false)]),
            (reply(200, &[], "one"), vec![("x-own".to_owned(), false)]),
            (reply(200, &[("x-own", "1")], "two"), vec![("body".to_owned(), false)]),
        ];
        for (weir, expected) in cases {
            assert_eq!(found("/", &nginx, &weir, &nginx), expected);
        }
        // What nginx itself gives otherwise the next time is not compared.
        let again = reply(200, &[("x-own", "1")], "other");
        assert_eq!(found("/", &nginx, &reply(200, &[("x-own", "1")], "two"), &again), []);
    }

    #[test]
    fn what_is_on_purpose_is_named() {
        let (nginx, weir) = (reply(200, &[], "secret"), reply(404, &[], ""));
        assert_eq!(found("/.git/config", &nginx, &weir, &nginx), [("status".to_owned(), true)]);
        assert_eq!(found("/.well-known/x", &nginx, &weir, &nginx), [("status".to_owned(), false)]);
        let (nginx, weir) = (reply(200, &[], "x"), reply(200, &[("vary", "Accept-Encoding")], "x"));
        assert_eq!(found("/", &nginx, &weir, &nginx), [("vary".to_owned(), true)]);
    }
}
