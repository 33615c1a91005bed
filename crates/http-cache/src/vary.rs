//! Vary (RFC 9111 section 4.1): which request fields select a stored reply, and whether a request's fields
//! match.

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_ENCODING, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use http1::accept_encoding::weights;

use crate::Reason;

/// The most fields that may select a reply.
const MAX_NAMES: usize = 16;

/// The fields that a reply names in Vary, and what it depends on besides: sorted, without repeats.
pub fn names(reply: &HeaderMap) -> Result<Vec<HeaderName>, Reason> {
    let mut names = Vec::from_iter(by_coding(reply));
    for name in said(reply) {
        // "A stored response with a Vary header field value containing a member "*" always fails to match."
        // (section 4.1)
        if name == b"*" {
            return Err(Reason::VaryStar);
        }
        names.push(HeaderName::from_bytes(name).map_err(|_| Reason::Vary)?);
    }
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    if names.len() > MAX_NAMES { Err(Reason::Vary) } else { Ok(names) }
}

fn said(reply: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = reply.get_all(VARY).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    lines.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
}

/// The field by which a compressed reply was chosen, though its Vary may not name it: its visitor has said to
/// understand gzip, and the next one may not.
pub(crate) fn by_coding(reply: &HeaderMap) -> Option<HeaderName> {
    let coding = reply.get(CONTENT_ENCODING)?.as_bytes();
    let plain = coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    (!plain).then_some(ACCEPT_ENCODING)
}

/// What Vary should name and does not: caches behind us must know it too.
pub(crate) fn unsaid(reply: &HeaderMap) -> Option<HeaderName> {
    let is_it =
        |said: &[u8], name: &HeaderName| said == b"*" || said.eq_ignore_ascii_case(name.as_str().as_bytes());
    by_coding(reply).filter(|name| !said(reply).any(|said| is_it(said, name)))
}

/// The values of the selecting fields in a canonical form: equal exactly when the requests match. `names` as
/// in [`crate::Lifetime::vary`]; `request` is what the application sees while it makes a page to be shared,
/// so that what it does not see counts as absent: [`crate::Policy::outgoing`] or
/// [`crate::Policy::selecting`].
pub fn selected(names: &[HeaderName], request: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 * names.len());
    for name in names {
        select(name, request, &mut out);
    }
    out
}

/// Whether `request` matches a stored reply's `selected` values. Allocates only where the reply has selecting
/// fields.
pub fn matches(names: &[HeaderName], stored: &[u8], request: &HeaderMap) -> bool {
    if names.is_empty() { stored.is_empty() } else { selected(names, request) == stored }
}

/// Appends name, a byte for absent or present, and if present the value's length and the value.
fn select(name: &HeaderName, request: &HeaderMap, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    // "If (after any normalization that might take place) a header field is absent from a request, it can
    // only match another request if it is also absent there." (section 4.1)
    let normal = *name == ACCEPT_ENCODING;
    if !normal && !request.contains_key(name) {
        out.push(0);
        return;
    }
    out.push(1);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    if normal {
        out.extend_from_slice(accept_encoding(request).as_bytes());
    } else {
        join(name, request, out);
    }
    let length = u32::try_from(out.len() - length_at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(length_at..length_at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// "combining multiple header field lines with the same field name", "adding or removing whitespace, where
/// allowed in the header field's syntax", and "case normalization, where values are defined to be
/// case-insensitive" (section 4.1).
fn join(name: &HeaderName, request: &HeaderMap, out: &mut Vec<u8>) {
    for (n, line) in request.get_all(name).iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let line = line.as_bytes().trim_ascii();
        if *name == ACCEPT_LANGUAGE {
            out.extend(line.iter().filter(|b| !b.is_ascii_whitespace()).map(u8::to_ascii_lowercase));
        } else {
            out.extend_from_slice(line);
        }
    }
}

/// Accept-Encoding in a canonical form: "gzip" or nothing. The application is sent this value too, or it
/// might answer in a coding that another client of the same variant cannot read.
///
/// Other codings are not asked for: each would be one more variant, so one more call to the application, and
/// a page in them could not be searched for a CSRF token.
pub fn accept_encoding(request: &HeaderMap) -> &'static str {
    let lines = request.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes);
    if weights(lines, ["gzip"]).codings[0] > 0 { "gzip" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn names_of_a_reply() {
        let many = (0..=MAX_NAMES).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
        type Names<'a> = Result<&'a [&'a str], Reason>;
        let cases: &[(&[&str], Names<'_>)] = &[
            (&[], Ok(&[])),
            (&[""], Ok(&[])),
            (&["Accept-Encoding"], Ok(&["accept-encoding"])),
            (&["b, A ,, b"], Ok(&["a", "b"])),
            (&["b", "a"], Ok(&["a", "b"])),
            (&["*"], Err(Reason::VaryStar)),
            (&["a, *"], Err(Reason::VaryStar)),
            (&["a", " * "], Err(Reason::VaryStar)),
            (&["a b"], Err(Reason::Vary)),
            (&["a;b"], Err(Reason::Vary)),
            (&[&many], Err(Reason::Vary)),
        ];
        for (lines, expected) in cases {
            let fields: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
            let found = names(&headers(&fields));
            assert_eq!(
                found,
                expected.map(|names| names.iter().map(|n| n.parse().unwrap()).collect()),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_compressed_reply_depends_on_accept_encoding() {
        // Content-Encoding and Vary; whether Accept-Encoding selects the reply, and is missing in Vary.
        let cases = [
            ("gzip", "", true, true),
            ("GZIP", "Accept-Language", true, true),
            ("br", "accept-encoding", true, false),
            ("gzip, br", "a, Accept-Encoding", true, false),
            ("identity", "", false, false),
            ("Identity", "a", false, false),
            ("", "", false, false),
        ];
        for (coding, vary, selects, told) in cases {
            let reply = headers(&[("content-encoding", coding), ("vary", vary)]);
            assert_eq!(names(&reply).unwrap().contains(&ACCEPT_ENCODING), selects, "{coding} {vary}");
            assert_eq!(unsaid(&reply), told.then_some(ACCEPT_ENCODING), "{coding} {vary}");
        }
        assert_eq!(names(&headers(&[("content-encoding", "gzip"), ("vary", "*")])), Err(Reason::VaryStar));
        assert_eq!(unsaid(&headers(&[("content-encoding", "gzip"), ("vary", "*")])), None);
    }

    #[test]
    fn requests_match() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Fields, Fields, bool)] = &[
            ("x", &[], &[], true),
            ("x", &[("x", "1")], &[("x", "1")], true),
            ("x", &[("x", "1")], &[("x", "2")], false),
            ("x", &[("x", "")], &[], false),
            ("x", &[("x", "a"), ("x", "b")], &[("x", "a,b")], true),
            ("x", &[("x", " a ")], &[("x", "a")], true),
            ("x", &[("x", "A")], &[("x", "a")], false),
            ("x", &[("y", "1")], &[], true),
            (
                "accept-language",
                &[("accept-language", "de-CH, de;q=0.9")],
                &[("accept-language", "de-ch,de; q=0.9")],
                true,
            ),
            ("accept-language", &[("accept-language", "de")], &[("accept-language", "en")], false),
            (
                "accept-encoding",
                &[("accept-encoding", "gzip, deflate, br")],
                &[("accept-encoding", "br;q=1, GZIP")],
                true,
            ),
            ("accept-encoding", &[("accept-encoding", "identity")], &[], true),
            ("accept-encoding", &[("accept-encoding", "gzip")], &[], false),
        ];
        for (name, first, second, expected) in cases {
            let names = [name.parse::<HeaderName>().unwrap()];
            let stored = selected(&names, &headers(first));
            assert_eq!(matches(&names, &stored, &headers(second)), *expected, "{name} {first:?} {second:?}");
        }
    }

    #[test]
    fn values_cannot_be_shifted_between_fields() {
        let names = ["a", "b"].map(|name| name.parse::<HeaderName>().unwrap());
        let one = selected(&names, &headers(&[("a", "1b2")]));
        for other in [&[("a", "1"), ("b", "2")][..], &[("b", "1b2")], &[("a", "1b2"), ("b", "")]] {
            assert_ne!(one, selected(&names, &headers(other)), "{other:?}");
        }
        // Nor does a reply without selecting fields match one with.
        assert!(!matches(&[], &one, &HeaderMap::new()));
        assert!(!matches(&names, b"", &HeaderMap::new()));
    }

    #[test]
    fn codings() {
        let cases = [
            ("", ""),
            ("gzip", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip, deflate, br, zstd", "gzip"),
            ("GZIP;q=0.5", "gzip"),
            ("gzip;q=0", ""),
            ("gzip;q=0.000, br;q=0.1", ""),
            ("gzip;q=junk", ""),
            ("*", "gzip"),
            ("*;q=0", ""),
            ("*, gzip;q=0", ""),
            ("*;q=0, gzip", "gzip"),
            ("br, zstd", ""),
            ("deflate, identity", ""),
        ];
        for (value, expected) in cases {
            let found = accept_encoding(&headers(&[("accept-encoding", value)]));
            assert_eq!(found, expected, "{value}");
            assert_eq!(
                accept_encoding(&headers(&[("accept-encoding", found)])),
                expected,
                "normal form of {value}"
            );
        }
    }
}
