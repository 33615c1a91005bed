//! The fields of a reply that goes through as its application has written it: as lines of a head, without a
//! map. Only where nothing steers us, and where the map would bring no lines together or put them elsewhere.

use http1::octets::{is_tchar, is_text};
use http1::write::field_line;
use weir_proto::origin::Field;

/// Lines of a head, in the order sent.
pub(crate) struct PlainFields {
    pub(crate) lines: Vec<u8>,
    /// Content-Length, which is none of them.
    pub(crate) length: Option<u64>,
}

impl PlainFields {
    /// `None`: a map is needed.
    pub(crate) fn of(fields: &[Field]) -> Option<Self> {
        /// More than these are not compared with each other.
        const MANY: usize = 32;
        if fields.len() > MANY {
            return None;
        }
        let mut plain = Self { lines: Vec::with_capacity(512), length: None };
        for (at, Field { name, value }) in fields.iter().enumerate() {
            let repeats = || fields.iter().take(at).any(|earlier| earlier.name == name);
            if !is_name(name) || !is_text(value) || steers(name, value) || repeats() {
                return None;
            }
            match &name[..] {
                b"content-length" => plain.length = Some(str::from_utf8(value).ok()?.parse().ok()?),
                name => field_line(&mut plain.lines, name, value),
            }
        }
        Some(plain)
    }
}

/// In lower case, as the contract has it.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_tchar(byte) && !byte.is_ascii_uppercase())
}

/// It is for us, or it decides what else stands in the head, or how the body is sent.
fn steers(name: &[u8], value: &[u8]) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    match name {
        b"content-type" => {
            let start = value.trim_ascii_start().get(..EVENTS.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
        }
        b"age" | b"cache-status" | b"cache-tag" | b"cdn-cache-control" | b"connection" | b"date"
        | b"edge-cache-tag" | b"server" | b"surrogate-control" | b"surrogate-key" | b"transfer-encoding"
        | b"upgrade" | b"x-cache-status" => true,
        _ => name.starts_with(b"x-accel-") || name.starts_with(b"weir-"),
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_LENGTH;
    use http_cache::fields::client_headers;
    use weir_proto::fields::into_headers;

    use super::*;

    /// A field that goes through changes nothing on its way through a map.
    #[test]
    fn lines_are_those_of_the_map() {
        let cases: [(&[(&str, &str)], bool); 14] = [
            (&[], true),
            (&[("content-type", "text/html"), ("x-frame-options", "DENY"), ("content-length", "12")], true),
            (&[("set-cookie", "a=caf\u{e9}"), ("vary", "Cookie"), ("x-accel", "1")], true),
            (&[("content-type", "text/event-stream")], false),
            (&[("content-type", " Text/Event-Stream;a")], false),
            (&[("set-cookie", "a=1"), ("vary", "x"), ("set-cookie", "b=2")], false),
            (&[("content-length", "no")], false),
            (&[("x-accel-expires", "1")], false),
            (&[("surrogate-key", "1")], false),
            (&[("weir-cache-control", "1")], false),
            (&[("date", "now")], false),
            (&[("X-Upper", "1")], false),
            (&[("a b", "1")], false),
            (&[("a", "b\n")], false),
        ];
        for (fields, goes_through) in cases {
            let field = |(name, value): &(&'static str, &'static str)| Field {
                name: (*name).into(),
                value: (*value).into(),
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            let plain = PlainFields::of(&fields);
            assert_eq!(plain.is_some(), goes_through, "{fields:?}");
            let Some(PlainFields { lines, length }) = plain else { continue };
            let mut map = into_headers(fields).unwrap();
            client_headers(&mut map);
            let told = map.remove(CONTENT_LENGTH).map(|value| value.to_str().unwrap().parse().unwrap());
            let mut of_map = Vec::new();
            map.iter().for_each(|(name, value)| {
                field_line(&mut of_map, name.as_str(), value.as_bytes());
            });
            assert_eq!((lines, length), (of_map, told));
        }
    }
}
