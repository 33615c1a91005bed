//! Writes header blocks without a table: indices of the static one, and literals that the client does not
//! keep. Such a block means the same at each place, so one that is made once serves for many replies.

use super::static_table::name_index;
use super::{huffman, integer};

/// RFC 7541 section 6.2.2: a literal that is not kept.
const PASSING: u8 = 0x00;
/// Section 6.2.3: a literal that nobody on the way keeps. Section 7.1.3: what is secret.
const NEVER: u8 = 0x10;
const STATUS: usize = 8;
/// Section 6.3: the client's table shrinks to nothing, which makes do with any size that it names.
pub(crate) const NO_TABLE: u8 = 0x20;

/// Begins the block of a reply: ":status".
pub fn status(out: &mut Vec<u8>, status: u16) {
    let index = match status {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            let digit = |by: u16| b'0' + (status / by % 10) as u8;
            integer::write(out, PASSING, 4, STATUS);
            return out.extend_from_slice(&[3, digit(100), digit(10), digit(1)]);
        }
    };
    out.push(0x80 | index);
}

/// Adds a field. RFC 9113 section 8.2: names are in lower case already.
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let index = usize::from(name_index(name));
    let kind = if name == b"set-cookie" { NEVER } else { PASSING };
    integer::write(out, kind, 4, index);
    if index == 0 {
        string(out, name);
    }
    string(out, value);
}

/// RFC 7541 section 5.2: as it is, or in Huffman's code if that is shorter.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    let coded = huffman::length(text);
    if coded < text.len() {
        integer::write(out, 0x80, 7, coded);
        huffman::encode(text, out);
    } else {
        integer::write(out, 0, 7, text.len());
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Decoder, FieldList};

    #[test]
    fn a_status_is_an_index_or_three_digits() {
        for (code, expected) in
            [(200, &[0x88][..]), (400, &[0x8c]), (408, b"\x08\x03408"), (103, b"\x08\x03103")]
        {
            let mut out = Vec::new();
            status(&mut out, code);
            assert_eq!(out, expected, "{code}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            code in 100..1000u16,
            fields in proptest::collection::vec(("[a-z-]{1,30}|date|set-cookie", "[ -~]{0,300}"), 0..20),
        ) {
            let mut out = Vec::new();
            status(&mut out, code);
            for (name, value) in &fields {
                field(&mut out, name.as_bytes(), value.as_bytes());
            }
            let mut read = FieldList::new(1 << 20);
            prop_assert_eq!(Decoder::default().decode(&out, &mut read), Ok(()));
            let mut read = read.iter();
            let code = code.to_string();
            prop_assert_eq!(read.next(), Some((&b":status"[..], code.as_bytes())));
            for (name, value) in &fields {
                prop_assert_eq!(read.next(), Some((name.as_bytes(), value.as_bytes())));
            }
            prop_assert_eq!(read.next(), None);
        }
    }
}
