//! Differences that are on purpose, by name: docs/nginx-differences.md says why.

use crate::verdict::contains;
use crate::{Probe, Reply};

/// Bytes; compression makes longer bodies shorter.
const TOO_SHORT: u64 = 256;

/// Another status. `ours`: none if Weir has given no answer.
pub(crate) fn status(probe: &Probe, nginx: &Reply, ours: Option<&Reply>) -> Option<&'static str> {
    let has = |name: &str| probe.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let is_padded =
        |(_, value): &(String, String)| value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
    let padded = probe
        .fields
        .iter()
        .any(is_padded)
        .then_some("HTTP/2 fields that begin or end with a space are malformed (RFC 9113 section 8.2.1)");
    if nginx.status == 400 && is_repeated(probe) {
        return Some("lists of entity tags may stand in several lines (RFC 9110 section 5.3)");
    }
    let Some(weir) = ours else { return padded };
    match (nginx.status, weir.status) {
        (_, 404) if probe.target.split_once('?').is_some_and(|(_, query)| query.contains("..")) => {
            Some("a variable never leads out of the directory that stands before it")
        }
        (_, 404) if is_hidden(probe.path()) => {
            Some("files whose names begin with a dot, and backups, are not found")
        }
        (_, 400) if padded.is_some() => padded,
        (200 | 206 | 416, 304) if has("if-modified-since") => {
            Some("If-Modified-Since may be later than the file's date (RFC 9110 section 13.1.3)")
        }
        (412, _) if has("if-unmodified-since") => Some(
            "If-Unmodified-Since that is no date, or stands beside If-Match, is ignored (RFC 9110 section 13.1.4)",
        ),
        (400, 200) if probe.target.contains("callback=") => {
            Some("a list of a directory is plain JSON if the callback's name is none")
        }
        (304, 502) => Some("304 to a request without a condition is no answer"),
        (206 | 416, 200) if probe.method == "HEAD" && has("range") => {
            Some("Range is for GET alone (RFC 9110 section 14.2)")
        }
        (304 | 412 | 206 | 416, 200..=299) if !has_validator(weir) => {
            Some("conditions and ranges are about files and pages, not about texts of rules")
        }
        (_, 400) if !probe.target.is_ascii() => Some("a path with bytes that are not ASCII is refused"),
        (400, 405) if probe.method == "TRACE" => {
            Some("a request that is wrong in two ways is refused for either")
        }
        _ if has_dots(probe.path()) => {
            Some("dot segments of a path are resolved before the application sees it")
        }
        _ => None,
    }
}

/// Another field or body: what both have, as it is shown.
pub(crate) fn field(
    what: &str,
    (nginx, weir): (&str, &str),
    probe: &Probe,
    (theirs, ours): (&Reply, &Reply),
) -> Option<&'static str> {
    let is_list = |reply: &Reply| contains(&reply.body, b"Index of");
    match what {
        "www-authenticate" if unquoted(nginx) == unquoted(&weir.replace(", charset=\"UTF-8\"", "")) => {
            Some("WWW-Authenticate says that names and passwords are UTF-8 (RFC 7617)")
        }
        "vary" if without_coding(nginx) == without_coding(weir) => {
            Some("what may be compressed always says Vary: Accept-Encoding")
        }
        "accept-ranges" if theirs.status == 206 => {
            Some("a part of a file says that other parts may be asked for")
        }
        "content-encoding" | "etag" | "accept-ranges" | "vary" if is_twice(probe, "accept-encoding") => {
            Some("Accept-Encoding may stand in several lines (RFC 9110 section 5.3)")
        }
        "content-encoding" | "etag" | "accept-ranges" if is_too_short(probe, theirs, ours) => {
            Some("a body that would become longer is not compressed")
        }
        "location" if nginx == as_rewrite_decodes(weir) => {
            Some("what was sent encoded stays so in redirects")
        }
        "location" if names_forwarded_scheme(probe, nginx, weir) => {
            Some("a file that uses X-Forwarded-Proto believes it in redirects too")
        }
        "content-disposition" if ours.status == 304 => {
            Some("304 says nothing of the content (RFC 9110 section 15.4.5)")
        }
        _ if is_reordered(nginx, weir) => Some("fields of outer places come before those of inner ones"),
        "location" if nginx.len() < weir.len() && encoded(nginx) == encoded(weir) => {
            Some("characters that must be encoded are encoded")
        }
        "content-type"
            if is_list(ours)
                || theirs.status == 200 && probe.method == "HEAD" && probe.path().ends_with('/') =>
        {
            Some("lists of directories say that they are UTF-8")
        }
        "content-type" if weir.starts_with(nginx.trim_end_matches('`')) && is_text(nginx) => {
            Some("a charset is for all text, JavaScript too")
        }
        "content-type" if last(nginx) == last(weir) => {
            Some("a Content-Type of add_header replaces the one that is there")
        }
        "body" if is_encoded(&theirs.body, &ours.body) => Some("characters that must be encoded are encoded"),
        "body" if is_list(theirs) && is_list(ours) => {
            Some("lists of directories leave out what is not served")
        }
        "expires" | "cache-control" if ours.status == 416 => {
            Some("a range that is not there says nothing of lifetimes")
        }
        _ if ours.status == 400 && theirs.status == 400 => {
            Some("a malformed request belongs to no site: it gets no fields of one")
        }
        _ if has_dots(probe.path()) => {
            Some("dot segments of a path are resolved before the application sees it")
        }
        _ => None,
    }
}

/// Whether Weir has left as it is what nginx has compressed in vain.
fn is_too_short(probe: &Probe, theirs: &Reply, ours: &Reply) -> bool {
    let length = ours.field("content-length").and_then(|length| length.parse::<u64>().ok());
    let is_in_vain = probe.method == "HEAD" || theirs.body.len() >= ours.body.len();
    let is_left = theirs.field("content-encoding").is_some() && ours.field("content-encoding").is_none();
    is_left && is_in_vain && length.is_some_and(|length| length < TOO_SHORT)
}

/// Whether a redirect of Weir's names the scheme of X-Forwarded-Proto, and nginx's that of the connection.
fn names_forwarded_scheme(probe: &Probe, nginx: &str, weir: &str) -> bool {
    let told = probe.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-proto"));
    let rest = |shown: &str, scheme: &str| shown.strip_prefix(&format!("`{scheme}://")).map(str::to_owned);
    told.is_some_and(|(_, scheme)| {
        ["http", "https"]
            .iter()
            .any(|one| rest(nginx, one).is_some() && rest(nginx, one) == rest(weir, scheme))
    })
}

/// The path with its printable characters decoded, as nginx's `rewrite` leaves them in a redirect.
fn as_rewrite_decodes(shown: &str) -> String {
    let (path, query) = shown.split_once('?').map_or((shown, None), |(path, query)| (path, Some(query)));
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| (b'&'..0x7f).contains(byte) && *byte != b'?') {
            Some(byte) => {
                decoded.extend([char::from(byte).to_string().as_str(), part.get(2..).unwrap_or("")])
            }
            None => decoded.extend(["%", part]),
        }
    }
    query.iter().fold(decoded, |path, query| format!("{path}?{query}"))
}

/// Whether a list of entity tags stands in several lines.
fn is_repeated(probe: &Probe) -> bool {
    ["if-none-match", "if-match"].iter().any(|name| is_twice(probe, name))
}

fn is_twice(probe: &Probe, name: &str) -> bool {
    probe.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).count() > 1
}

/// Whether both have the same values in another order.
fn is_reordered(nginx: &str, weir: &str) -> bool {
    let sorted = |shown: &str| {
        let mut values: Vec<String> = shown.trim_matches('`').split(", ").map(str::to_owned).collect();
        values.sort();
        values
    };
    nginx != weir && sorted(nginx) == sorted(weir)
}

fn has_validator(reply: &Reply) -> bool {
    reply.field("etag").is_some() || reply.field("last-modified").is_some()
}

fn is_text(shown: &str) -> bool {
    ["`text/javascript", "`text/css", "`text/markdown"].iter().any(|text| shown.starts_with(text))
}

/// A text with the characters that Weir encodes in their encoded form.
fn encoded(shown: &str) -> String {
    let pairs = [
        ("?", "%3F"),
        ("\\", "%5C"),
        ("<", "%3C"),
        (">", "%3E"),
        ("\"", "%22"),
        ("^", "%5E"),
        ("{", "%7B"),
        ("}", "%7D"),
        ("|", "%7C"),
    ];
    let inner = shown.trim_matches('`');
    pairs.iter().fold(inner.to_owned(), |text, (letter, code)| text.replace(letter, code))
}

fn is_encoded(nginx: &[u8], weir: &[u8]) -> bool {
    let text = |body| encoded(&String::from_utf8_lossy(body));
    nginx.len() < weir.len() && text(nginx) == text(weir)
}

fn unquoted(shown: &str) -> String {
    shown.replace(['\\', '`'], "")
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
    let plain = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/");
    plain.split('/').any(|part| matches!(part, "." | ".."))
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
