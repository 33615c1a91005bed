//! The name in a certificate as RFC 2253 writes it, and nginx in `$ssl_client_s_dn`: "CN=ann,O=Example".

pub(crate) mod fuzzed;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
/// UTF-8, numeric, printable, teletex, IA5 and visible strings.
const STRINGS: [u8; 6] = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a];
/// Attributes with a short name, by the bytes of their object identifier.
const NAMES: [(&[u8], &str); 14] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 42], "GN"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];

/// The text of a name with its outermost SEQUENCE.
pub(super) fn of_der(mut name: &[u8]) -> Option<String> {
    text(take(&mut name, SEQUENCE)?)
}

/// The text of a name: the content of its outermost SEQUENCE. `None`: it is malformed.
pub(super) fn text(mut name: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !name.is_empty() {
        let mut set = take(&mut name, SET)?;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let mut pair = take(&mut set, SEQUENCE)?;
            let id = take(&mut pair, OBJECT_ID)?;
            let (tag, value) = next(&mut pair)?;
            attributes.push(attribute(id, tag, value));
        }
        parts.push(attributes.join("+"));
    }
    // "starting with the last element of the sequence and moving backwards toward the first" (section 2.1).
    parts.reverse();
    Some(parts.join(","))
}

fn attribute(id: &[u8], tag: u8, value: &[u8]) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == id).map(|(_, name)| (*name).to_owned());
    let (name, is_known) = (known.clone().unwrap_or_else(|| dotted(id)), known.is_some());
    if !is_known || !STRINGS.contains(&tag) {
        let hex: String = value.iter().map(|byte| format!("{byte:02X}")).collect();
        return format!("{name}=#{tag:02X}{:02X}{hex}", value.len());
    }
    format!("{name}={}", escaped(value))
}

fn escaped(value: &[u8]) -> String {
    let last = value.len().saturating_sub(1);
    let mut text = String::new();
    for (at, &byte) in value.iter().enumerate() {
        let at_edge = byte == b' ' && (at == 0 || at == last) || byte == b'#' && at == 0;
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => text.extend(['\\', char::from(byte)]),
            _ if at_edge => text.extend(['\\', char::from(byte)]),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:02X}")),
        }
    }
    text
}

/// An object identifier in its usual form: "1.2.840".
fn dotted(id: &[u8]) -> String {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number = 0_u64;
    for &byte in id {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - first * 40]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// The content of the next element, which must have this tag.
fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    next(rest).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// Tag and content of the next element.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, after) = rest.split_first()?;
    let (&short, mut after) = after.split_first()?;
    let mut length = usize::from(short);
    if short & 0x80 != 0 {
        let (bytes, left) = after.split_at_checked(usize::from(short & 0x7f))?;
        if bytes.len() > 2 {
            return None;
        }
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        after = left;
    }
    let (content, left) = after.split_at_checked(length)?;
    *rest = left;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn pair(id: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        element(SEQUENCE, &[element(OBJECT_ID, id), element(tag, value)].concat())
    }

    #[test]
    fn is_written_backwards_with_escapes() {
        let name = [
            element(SET, &pair(&[0x55, 4, 6], 0x13, b"DE")),
            element(SET, &pair(&[0x55, 4, 10], 0x0c, b"A, B+C \\ \"D\"")),
            element(
                SET,
                &[pair(&[0x55, 4, 3], 0x0c, " caf\u{e9}#".as_bytes()), pair(&[0x55, 4, 11], 0x0c, b"#x")]
                    .concat(),
            ),
            element(SET, &pair(&[0x2a, 3, 4], 0x0c, b"hi")),
        ]
        .concat();
        let expected = "1.2.3.4=#0C026869,CN=\\ caf\\C3\\A9#+OU=\\#x,O=A\\, B\\+C \\\\ \\\"D\\\",C=DE";
        assert_eq!(text(&name).as_deref(), Some(expected));
        assert_eq!(text(b"").as_deref(), Some(""));
        for wrong in [&name[..name.len() - 1], &[SET, 0x84, 1, 1, 1, 1], &[SEQUENCE, 0]] {
            assert_eq!(text(wrong), None, "{wrong:?}");
        }
    }
}
