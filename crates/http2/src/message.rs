//! What RFC 9113 demands of the fields of a request (sections 8.2 and 8.3). Whether the values mean anything
//! is for the reader of heads, which HTTP/1 has too.

use crate::FieldList;

/// Why a message is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedFields {
    /// A pseudo-field is missing, unknown, sent twice, or does not stand first.
    PseudoField,
    Name,
    Value,
    /// Whitespace at an end of a value.
    PaddedValue,
    /// A field about the connection, which HTTP/2 has no use for.
    ConnectionField,
}

/// A request's pseudo-fields, and the others behind them.
#[derive(Clone, Copy, Debug)]
pub struct RequestFields<'a> {
    pub method: &'a [u8],
    pub scheme: Option<&'a [u8]>,
    pub authority: Option<&'a [u8]>,
    pub path: Option<&'a [u8]>,
    fields: &'a FieldList,
    pseudo: usize,
}

impl<'a> RequestFields<'a> {
    pub fn read(fields: &'a FieldList) -> Result<Self, MalformedFields> {
        let (mut method, mut scheme, mut authority, mut path) = (None, None, None, None);
        let mut pseudo = 0;
        for (index, (name, value)) in fields.iter().enumerate() {
            if name.first() != Some(&b':') {
                regular(name, value)?;
                continue;
            }
            // Section 8.3: "All pseudo-header fields MUST appear in a field section before all regular field
            // lines."
            if index != pseudo {
                return Err(MalformedFields::PseudoField);
            }
            pseudo += 1;
            let place = match name {
                b":method" => &mut method,
                b":scheme" => &mut scheme,
                b":authority" => &mut authority,
                b":path" => &mut path,
                // "Endpoints MUST treat a request or response that contains undefined or invalid
                // pseudo-header fields as malformed".
                _ => return Err(MalformedFields::PseudoField),
            };
            // "The same pseudo-header field name MUST NOT appear more than once in a field section."
            if place.replace(value).is_some() {
                return Err(MalformedFields::PseudoField);
            }
            if !is_visible(value) {
                return Err(MalformedFields::Value);
            }
        }
        let method = method.ok_or(MalformedFields::PseudoField)?;
        // Section 8.3.1: "All HTTP/2 requests MUST include exactly one valid value for the ":method",
        // ":scheme", and ":path" pseudo-header fields, unless they are CONNECT requests".
        if method != b"CONNECT" && (scheme.is_none() || path.is_none()) {
            return Err(MalformedFields::PseudoField);
        }
        Ok(Self { method, scheme, authority, path, fields, pseudo })
    }

    /// The fields that are no pseudo-fields.
    pub fn regular(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.iter().skip(self.pseudo)
    }
}

/// Section 8.1: trailers "MUST NOT" have pseudo-fields; else they are as other fields.
pub(crate) fn check_trailers(fields: &FieldList) -> Result<(), MalformedFields> {
    fields.iter().try_for_each(|(name, value)| match name.first() {
        Some(b':') => Err(MalformedFields::PseudoField),
        _ => regular(name, value),
    })
}

fn regular(name: &[u8], value: &[u8]) -> Result<(), MalformedFields> {
    // Section 8.2.1: "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or
    // 0x7f-0xff", nor a colon. That it is a token leaves all of these out but the upper case.
    if name.is_empty() || !name.iter().all(|byte| is_name(*byte)) {
        return Err(MalformedFields::Name);
    }
    // "A field value MUST NOT contain the zero value (ASCII NUL, 0x00), line feed (ASCII LF, 0x0a), or
    // carriage return (ASCII CR, 0x0d) at any position."
    if memchr::memchr3(0, b'\n', b'\r', value).is_some() {
        return Err(MalformedFields::Value);
    }
    // "A field value MUST NOT start or end with an ASCII whitespace character".
    if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
        return Err(MalformedFields::PaddedValue);
    }
    // Section 8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header
    // fields", and TE "MUST NOT contain any value other than "trailers"".
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            Err(MalformedFields::ConnectionField)
        }
        b"te" if !value.eq_ignore_ascii_case(b"trailers") => Err(MalformedFields::ConnectionField),
        _ => Ok(()),
    }
}

/// RFC 9110 section 5.6.2: what a token is made of, without upper case.
fn is_name(byte: u8) -> bool {
    const NAMES: [bool; 256] = names();
    NAMES[usize::from(byte)]
}

const fn names() -> [bool; 256] {
    let mut names = [false; 256];
    let mut byte = 0;
    while byte < 128u8 {
        names[byte as usize] = matches!(
            byte,
            b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
                | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        byte += 1;
    }
    names
}

/// No pseudo-field has whitespace or a control character, which could end a line where one is made of it.
fn is_visible(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field = (&'static str, &'static str);
    const GOOD: [Field; 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

    fn list(fields: &[Field]) -> FieldList {
        let mut list = FieldList::new(1 << 16);
        fields.iter().for_each(|(name, value)| list.push(name.as_bytes(), value.as_bytes()));
        list
    }

    fn fault(fields: &[Field]) -> Option<MalformedFields> {
        RequestFields::read(&list(fields)).err()
    }

    #[test]
    fn a_request_has_its_pseudo_fields_first() {
        let fields = list(&[&GOOD[..], &[("x-a", "1"), ("te", "trailers")]].concat());
        let read = RequestFields::read(&fields).unwrap();
        assert_eq!((read.method, read.path, read.scheme), (&b"GET"[..], Some(&b"/"[..]), Some(&b"http"[..])));
        assert_eq!(read.regular().map(|(name, _)| name).collect::<Vec<_>>(), [&b"x-a"[..], b"te"]);
        assert_eq!(fault(&[(":method", "CONNECT"), (":authority", "a:1")]), None);
        assert_eq!(fault(&GOOD[..2]), Some(MalformedFields::PseudoField));
        for left_out in [0, 1, 3] {
            let mut fields = GOOD.to_vec();
            fields.remove(left_out);
            assert_eq!(fault(&fields), Some(MalformedFields::PseudoField), "{left_out}");
        }
        for twice in GOOD {
            assert_eq!(fault(&[&GOOD[..], &[twice]].concat()), Some(MalformedFields::PseudoField));
            assert_eq!(fault(&[&[("x-a", "1")], &GOOD[..]].concat()), Some(MalformedFields::PseudoField));
        }
    }

    #[test]
    fn fields_that_no_request_may_have_make_it_malformed() {
        use MalformedFields::{ConnectionField, Name, PaddedValue, PseudoField, Value};
        let cases: [(Field, MalformedFields); 24] = [
            ((":status", "200"), PseudoField),
            ((":protocol", "websocket"), PseudoField),
            ((":", "x"), PseudoField),
            (("", "x"), Name),
            (("X-a", "x"), Name),
            (("x:a", "x"), Name),
            (("x a", "x"), Name),
            (("x\n", "x"), Name),
            (("x\u{e9}", "x"), Name),
            (("x-a", "a\0"), Value),
            (("x-a", "a\r\nb: c"), Value),
            (("x-a", "a\n"), Value),
            (("x-a", " a"), PaddedValue),
            (("x-a", "a\t"), PaddedValue),
            (("x-a", " "), PaddedValue),
            (("connection", "close"), ConnectionField),
            (("connection", ""), ConnectionField),
            (("keep-alive", "1"), ConnectionField),
            (("proxy-connection", "1"), ConnectionField),
            (("transfer-encoding", "chunked"), ConnectionField),
            (("upgrade", "h2c"), ConnectionField),
            (("te", "gzip"), ConnectionField),
            (("te", "trailers, gzip"), ConnectionField),
            (("te", ""), ConnectionField),
        ];
        for (field, expected) in cases {
            assert_eq!(fault(&[&GOOD[..], &[field]].concat()), Some(expected), "{field:?}");
            assert_eq!(check_trailers(&list(&[field])), Err(expected), "{field:?}");
        }
        assert_eq!(check_trailers(&list(&GOOD[..1])), Err(PseudoField));
        assert_eq!(check_trailers(&list(&[("x-sum", "1"), ("x-empty", "")])), Ok(()));
        for pseudo in [":method", ":scheme", ":authority", ":path"] {
            for value in ["a b", "a\r\nb", "a\tb", "a\0", "\x7f"] {
                let mut fields = GOOD.to_vec();
                fields.retain(|field| field.0 != pseudo);
                fields.push((pseudo, value));
                assert_eq!(fault(&fields), Some(Value), "{pseudo} {value:?}");
            }
        }
    }
}
