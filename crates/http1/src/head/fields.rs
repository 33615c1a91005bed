//! The field lines of a head: looked at in place, and made into a map when the request goes further.

use bytes::Bytes;
use http::header::InvalidHeaderName;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::field::FieldSpan;
use super::known::{KnownField, KnownFields};

/// About this connection or this message's framing, both of which end here. `Host` goes on as `Head::host`.
///
/// RFC 9110 §7.6.1: intermediaries remove `Connection`, what it nominates, and the rest of these "regardless
/// of whether they are nominated".
const NOT_HANDED_ON: KnownFields = KnownFields::of(&[
    KnownField::Connection,
    KnownField::ContentLength,
    KnownField::Expect,
    KnownField::Host,
    KnownField::Http2Settings,
    KnownField::KeepAlive,
    KnownField::ProxyConnection,
    KnownField::Te,
    KnownField::Trailer,
    KnownField::TransferEncoding,
    KnownField::Upgrade,
]);

/// Field lines in the order sent. Without those whose name holds `_` and those that `Connection` nominates.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    pub(super) head: &'a [u8],
    pub(super) spans: &'a [FieldSpan],
}

impl<'a> Fields<'a> {
    /// Names as sent, values without the whitespace around them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let head = self.head;
        // A name is of token characters, so it is always text.
        self.spans
            .iter()
            .map(move |span| (str::from_utf8(span.name(head)).unwrap_or_default(), span.value(head)))
    }

    /// The values of a known field, in the order sent.
    pub fn values(&self, known: KnownField) -> impl Iterator<Item = &'a [u8]> {
        let head = self.head;
        self.spans.iter().filter(move |span| span.known == known).map(move |span| span.value(head))
    }

    /// What is handed on: all but `Host`, `Content-Length`, `Expect` and the fields that are the connection's
    /// own.
    pub fn to_headers(&self) -> HeaderMap {
        let head = Bytes::copy_from_slice(self.head);
        let mut headers = HeaderMap::with_capacity(self.spans.len());
        for span in self.spans.iter().filter(|span| !NOT_HANDED_ON.has(span.known)) {
            let name = match span.known.name() {
                Some(name) => Ok(name),
                None => browsers_name(span.known, span.name(&head)),
            };
            let value = HeaderValue::from_maybe_shared(head.slice_ref(span.value(&head)));
            // What `read` took, `http` takes: names are tokens of bounded length, values hold no control
            // characters, and `MAX_FIELDS` is far from where the map is full.
            if let (Ok(name), Ok(value)) = (name, value) {
                let _ = headers.try_append(name, value);
            }
        }
        headers
    }

    /// What is handed on, names as sent. `None`: two lines have the same name, and a map would bring them
    /// together.
    pub fn handed_on(&self) -> Option<Vec<(&'a [u8], &'a [u8])>> {
        if self.repeats() {
            return None;
        }
        let mut lines = Vec::with_capacity(self.spans.len());
        for span in self.spans.iter().filter(|span| !NOT_HANDED_ON.has(span.known)) {
            lines.push((span.name(self.head), span.value(self.head)));
        }
        Some(lines)
    }

    /// The whole head, from the request line to the empty line.
    pub fn of_head(&self) -> &'a [u8] {
        self.head
    }

    /// Whether two lines may have the same name. Of very many it is not looked for.
    fn repeats(&self) -> bool {
        const MANY: usize = 64;
        let mut seen = KnownFields::default();
        self.spans.len() > MANY
            || self.spans.iter().enumerate().any(|(at, span)| match span.known {
                KnownField::Other | KnownField::Neutral | KnownField::XForwarded => {
                    let earlier = self.spans.get(..at).unwrap_or_default();
                    let of_its_kind = earlier.iter().filter(|other| other.known == span.known);
                    of_its_kind.into_iter().any(|other| is_same(other.name(self.head), span.name(self.head)))
                }
                known => {
                    seen.has(known) || {
                        seen.add(known);
                        false
                    }
                }
            })
    }
}

/// Whether the names are the same, in any case of their letters.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    // Most of one length differ here: `sec-fetch-mode`, `sec-fetch-site`.
    let end = |name: &[u8]| name.last_chunk::<4>().map(|end| u32::from_le_bytes(*end) | 0x2020_2020);
    one.len() == other.len() && end(one) == end(other) && one.eq_ignore_ascii_case(other)
}

/// Names that browsers send with each request and that the `http` crate would copy each time.
static OF_BROWSERS: [HeaderName; 9] = [
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-user"),
    HeaderName::from_static("sec-ch-ua"),
    HeaderName::from_static("sec-ch-ua-mobile"),
    HeaderName::from_static("sec-ch-ua-platform"),
    HeaderName::from_static("sec-gpc"),
    HeaderName::from_static("priority"),
];

fn browsers_name(known: KnownField, name: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    // The byte that tells those of one length apart.
    let at = |at: usize| name.get(at).map_or(0, u8::to_ascii_lowercase);
    let index = match (name.len(), at(10)) {
        (14, b'd') => 0,
        (14, b'm') => 1,
        (14, b's') => 2,
        (14, b'u') => 3,
        (9, _) => 4,
        (16, _) => 5,
        (18, _) => 6,
        (7, _) => 7,
        _ => 8,
    };
    match OF_BROWSERS.get(index).filter(|_| known == KnownField::Neutral) {
        Some(found) if found.as_str().as_bytes().eq_ignore_ascii_case(name) => Ok(found.clone()),
        _ => HeaderName::from_bytes(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Limits, read};

    #[test]
    fn lines_are_those_of_the_map_and_none_where_it_brings_lines_together() {
        let cases = [
            ("", true),
            ("Accept: */*\r\nUser-Agent:  a b \r\nX-Own: caf\u{e9}\r\nEmpty:\r\n", true),
            ("Connection: close, X-Own\r\nX-Own: 1\r\nTE: trailers\r\nUpgrade: a\r\n", true),
            ("Content-Length: 0\r\nSec-Fetch-Mode: a\r\nsec-fetch-site: b\r\n", true),
            ("Cookie: a\r\ncookie: b\r\n", false),
            ("X-Own: 1\r\nAccept: a\r\nx-OWN: 2\r\n", false),
            ("DNT: 1\r\ndnt: 1\r\n", false),
        ];
        for (fields, is_made) in cases {
            let text = format!("GET /x HTTP/1.1\r\nHost: a.b\r\n{fields}\r\n");
            let mut spans = Vec::new();
            let (head, _) = read(text.as_bytes(), &Limits::default(), &mut spans).unwrap().unwrap();
            let Some(lines) = head.fields.handed_on() else {
                assert!(!is_made, "{fields}");
                continue;
            };
            assert!(is_made && head.fields.of_head() == text.as_bytes(), "{fields}");
            let lines: Vec<_> =
                lines.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
            let of_map: Vec<_> = head
                .to_headers()
                .iter()
                .map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect();
            assert_eq!(lines, of_map, "{fields}");
        }
    }

    #[test]
    fn each_name_of_a_browser_is_found_in_any_case() {
        for known in &OF_BROWSERS {
            for name in [known.as_str().to_owned(), known.as_str().to_ascii_uppercase()] {
                let found = browsers_name(KnownField::of(name.as_bytes()), name.as_bytes()).unwrap();
                // Not a copy: the text is the table's own.
                assert_eq!(found.as_str().as_ptr(), known.as_str().as_ptr(), "{name}");
            }
        }
        for other in ["sec-fetch-mine", "sec-websocket-key", "save-data", "x"] {
            let found = browsers_name(KnownField::of(other.as_bytes()), other.as_bytes()).unwrap();
            assert_eq!(found.as_str(), other);
        }
    }
}
