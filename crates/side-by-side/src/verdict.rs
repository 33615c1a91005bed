//! What differs between two answers, and what of it is meant to.

use crate::{Probe, Reply, intended};

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
/// Two answers may be this far apart.
const MOST_SECONDS: u64 = 5;

/// Something that is not the same.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// `status`, the name of a field, or `body`.
    pub what: String,
    pub nginx: String,
    pub weir: String,
    /// The line of docs/nginx-differences.md that says so.
    pub intended: Option<&'static str>,
}

/// The answers to one request.
pub struct Comparison<'a> {
    pub probe: &'a Probe,
    pub nginx: Option<&'a Reply>,
    pub weir: Option<&'a Reply>,
    /// nginx's answer to the same request once more.
    pub again: Option<&'a Reply>,
    /// The bodies are what they were before they were compressed.
    pub is_decoded: bool,
}

impl Comparison<'_> {
    pub fn differences(&self) -> Vec<Difference> {
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
        let is_own = [nginx, weir].into_iter().all(|reply| is_own_page(reply) || self.is_coded_error(reply));
        let mut found = Vec::new();
        for name in names(nginx, weir) {
            if is_own && OF_OWN_PAGES.contains(&name) {
                continue;
            }
            let (one, other) = (nginx.field(name), weir.field(name));
            if one != other
                && again.field(name) == one
                && !is_same_time(name, one.as_deref(), other.as_deref())
            {
                let shown = |value: Option<String>| {
                    value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
                };
                found.push(self.found(name, shown(one), shown(other)));
            }
        }
        // Each has entity tags of its own making, but both have one, as strong or as weak.
        let (one, other) = (tag_kind(nginx), tag_kind(weir));
        if !is_own && one != other && tag_kind(again) == one {
            found.push(self.found("etag", one.to_owned(), other.to_owned()));
        }
        if !is_own && !self.is_coded(nginx) && nginx.body != weir.body && again.body == nginx.body {
            let (one, other) = around(&nginx.body, &weir.body);
            found.push(self.found("body", one, other));
        }
        found
    }

    /// Whether its body is as it was compressed.
    fn is_coded(&self, reply: &Reply) -> bool {
        !self.is_decoded && reply.field("content-encoding").is_some()
    }

    /// A compressed page for an error, of which nobody can see whose it is.
    fn is_coded_error(&self, reply: &Reply) -> bool {
        let types = ["text/html", "text/html; charset=utf-8"];
        let is_html = reply.field("content-type").is_some_and(|kind| types.contains(&kind.as_str()));
        reply.status >= 300 && self.is_coded(reply) && is_html
    }

    fn found(&self, what: &str, nginx: String, weir: String) -> Difference {
        let intended = self.intended(what, &nginx, &weir);
        Difference { what: what.to_owned(), nginx, weir, intended }
    }

    /// Whether it is one of those that are on purpose.
    fn intended(&self, what: &str, nginx: &str, weir: &str) -> Option<&'static str> {
        let Comparison { probe, nginx: theirs, weir: ours, .. } = *self;
        let (theirs, ours) = (theirs?, ours);
        if what == "status" {
            return intended::status(probe, theirs, ours);
        }
        intended::field(what, (nginx, weir), probe, (theirs, ours?))
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

fn tag_kind(reply: &Reply) -> &'static str {
    match reply.field("etag") {
        None => "none",
        Some(tag) if tag.starts_with("W/") => "weak",
        Some(_) => "strong",
    }
}

/// Whether two lifetimes differ only by the moment at which they were asked for.
fn is_same_time(name: &str, one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    match name {
        "expires" if date_of(one) == date_of(other) => {
            let seconds = second_of_day(one).zip(second_of_day(other));
            seconds.is_some_and(|(one, other)| one.abs_diff(other) <= MOST_SECONDS)
        }
        "cache-control" => {
            let age = |text: &str| text.strip_prefix("max-age=")?.parse::<u64>().ok();
            age(one).zip(age(other)).is_some_and(|(one, other)| one.abs_diff(other) <= MOST_SECONDS)
        }
        _ => false,
    }
}

/// A page that the program has for a status, not the site.
fn is_own_page(reply: &Reply) -> bool {
    let is_empty = reply.body.is_empty() && reply.status >= 300;
    is_empty
        || contains(&reply.body, b"<center>nginx")
        || reply.body.starts_with(b"<!doctype html>\n<html lang=\"en\"><head>")
}

pub(crate) fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

/// `Sun, 06 Nov 1994` of a date.
fn date_of(text: &str) -> &str {
    text.get(..16).unwrap_or(text)
}

fn second_of_day(text: &str) -> Option<u64> {
    let clock = text.split(' ').nth(4)?;
    let mut parts = clock.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    Some(hour * 3600 + minute * 60 + second)
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
        let comparison = Comparison {
            probe: &probe,
            nginx: Some(nginx),
            weir: Some(weir),
            again: Some(again),
            is_decoded: false,
        };
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
    fn what_nobody_can_see_is_no_difference() {
        let coded = ("content-encoding", "gzip");
        let nginx = reply(404, &[coded, ("content-type", "text/html")], "\x1f one");
        let own = [coded, ("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")];
        let weir = reply(404, &own, "\x1f two");
        assert_eq!(found("/", &nginx, &weir, &nginx), []);
        // What is found is no error.
        let (nginx, weir) = (Reply { status: 200, ..nginx }, Reply { status: 200, ..weir });
        let different = [("cache-control".to_owned(), false), ("content-type".to_owned(), false)];
        assert_eq!(found("/", &nginx, &weir, &nginx), different);
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
        let nginx = reply(301, &[("location", "https://a/x//y/b?c=%2f")], "");
        let weir = reply(301, &[("location", "https://a/x//y%2fb?c=%2f")], "");
        assert_eq!(found("/", &nginx, &weir, &nginx), [("location".to_owned(), true)]);
        let weir = reply(301, &[("location", "https://a/x//y%3fb?c=%2f")], "");
        assert_eq!(found("/", &nginx, &weir, &nginx), [("location".to_owned(), false)]);
        let nginx = reply(200, &[("content-encoding", "gzip")], "\x1f a body that is longer than before");
        let weir = reply(200, &[("content-length", "1")], "x");
        assert_eq!(found("/", &nginx, &weir, &nginx), [("content-encoding".to_owned(), true)]);
        let weir = reply(200, &[("content-length", "300")], &"x".repeat(300));
        assert_eq!(found("/", &nginx, &weir, &nginx), [("content-encoding".to_owned(), false)]);
        let (nginx, weir) = (reply(200, &[], "x"), reply(200, &[("vary", "Accept-Encoding")], "x"));
        assert_eq!(found("/", &nginx, &weir, &nginx), [("vary".to_owned(), true)]);
    }
}
