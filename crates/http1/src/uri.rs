//! The normal form of a path or query (RFC 3986 section 6.2.2): what is spelt in two ways is one page.

use std::borrow::Cow;

use crate::octets::triplet;

/// The normal form of a path; none if it holds a byte that no path may hold.
#[inline]
pub fn normal_path(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    const PLAIN: [bool; 256] = plain(b"#%?");
    if path.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        return Some(Cow::Borrowed(path));
    }
    if path.contains(&b'?') { None } else { encoded(path) }
}

/// The normal form of a query; none if it holds a byte that no query may hold.
#[inline]
pub fn normal_query(query: &[u8]) -> Option<Cow<'_, [u8]>> {
    const PLAIN: [bool; 256] = plain(b"#%");
    if query.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        Some(Cow::Borrowed(query))
    } else {
        encoded(query)
    }
}

/// The bytes that are their own normal form: what can be seen of ASCII, but for these.
const fn plain(but: &[u8]) -> [bool; 256] {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte < 0x7f {
        plain[byte as usize] = true;
        byte += 1;
    }
    let mut index = 0;
    while index < but.len() {
        plain[but[index] as usize] = false;
        index += 1;
    }
    plain
}

/// RFC 3986 section 6.2.2.1: "the hexadecimal digits within a percent-encoding triplet […] should be
/// normalized to use uppercase letters". Section 6.2.2.2: "These URIs should be normalized by decoding any
/// percent-encoded octet that corresponds to an unreserved character". Bytes beyond ASCII, which no URI may
/// hold, are taken for their encoding, as browsers send them. Where a `%` begins no triplet, the whole stays
/// as it was sent: to change one part of it could make it look like another's normal form.
fn encoded(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if bytes.iter().any(|byte| *byte <= b' ' || *byte == 0x7f || *byte == b'#') {
        return None;
    }
    Some(encode(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned))
}

/// None: a `%` begins no triplet.
fn encode(bytes: &[u8]) -> Option<Vec<u8>> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        let encoded = match byte {
            b'%' => triplet(&mut rest)?,
            0x80.. => *byte,
            _ => {
                out.push(*byte);
                continue;
            }
        };
        if encoded.is_ascii_alphanumeric() || matches!(encoded, b'-' | b'.' | b'_' | b'~') {
            out.push(encoded);
        } else {
            let digits = [HEX[usize::from(encoded >> 4)], HEX[usize::from(encoded & 15)]];
            out.extend_from_slice(&[b'%', digits[0], digits[1]]);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_each() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"/a/b-c_d~e.f", Some("/a/b-c_d~e.f")),
            (b"/%7euser/%41%2d%5F%2e", Some("/~user/A-_.")),
            (b"/caf%c3%a9", Some("/caf%C3%A9")),
            ("/café".as_bytes(), Some("/caf%C3%A9")),
            (b"/caf\xe9", Some("/caf%E9")),
            // Reserved characters stay as they are: encoded they are data.
            (b"/a%2fb%3F%26%3d%25%20+", Some("/a%2Fb%3F%26%3D%25%20+")),
            (b"p%61ge=1&%70=%zz", Some("p%61ge=1&%70=%zz")),
            (b"100%", Some("100%")),
            (b"%%37e", Some("%%37e")),
            (b"/a b", None),
            (b"/a#b", None),
            (b"/a%7f\x7f", None),
            (b"", Some("")),
        ];
        for (given, expected) in cases {
            let found = normal_query(given).map(|form| String::from_utf8(form.into_owned()).unwrap());
            assert_eq!(found.as_deref(), *expected, "{:?}", given.escape_ascii().to_string());
            let again = found.as_ref().map(|form| normal_query(form.as_bytes()).unwrap().into_owned());
            assert_eq!(again.as_deref(), expected.map(str::as_bytes), "the normal form of the normal form");
        }
    }

    #[test]
    fn a_path_holds_no_question_mark() {
        for path in ["/a?b", "/é?"] {
            assert_eq!(normal_path(path.as_bytes()), None, "{path}");
        }
        assert_eq!(normal_path(b"/%3f").as_deref(), Some(&b"/%3F"[..]));
    }
}
