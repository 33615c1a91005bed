//! Tells which bytes may stand where in a head, and how far a run of them reaches.

/// RFC 9110 §5.6.2: tchar. What methods and field names are made of.
pub(crate) const TOKEN: u8 = 1;
/// Upper-case letters, `-` and `_`: every registered method, and what nginx takes. RFC 9110 §9.1: methods are
/// case-sensitive.
pub(crate) const METHOD: u8 = 1 << 1;
/// RFC 3986 pchar and `/`, and `[ ]`, which browsers send as they are.
pub(crate) const PATH: u8 = 1 << 2;
/// As a path, and `?`. Never `#`, space, controls or non-ASCII (but see [`ODD`]).
pub(crate) const QUERY: u8 = 1 << 3;
/// What a registered name is made of. RFC 3986 allows sub-delims and percent-encoding too; no host name in
/// use has them, and lists (`a,b`) and look-alikes are made with them.
pub(crate) const HOST: u8 = 1 << 4;
/// A token without `_`.
pub(crate) const PLAIN_NAME: u8 = 1 << 5;
/// `" < > \ ^ { | }`, backtick, and what is not ASCII: RFC 3986 has them percent-encoded, clients such as curl
/// send them as they are, and no parser can take one for the end of anything.
pub(crate) const ODD: u8 = 1 << 6;

const CLASSES: [u8; 256] = classes();

/// Tells whether a method or a field's name may hold this byte (RFC 9110 §5.6.2: tchar).
#[inline]
pub fn is_tchar(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// Tells whether this is a token: what methods and names of fields are (RFC 9110 §5.6.2).
#[inline]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_tchar)
}

/// The byte that the two hexadecimal digits after a `%` stand for. `None`: they are none.
#[inline]
pub(crate) fn triplet(digits: &mut std::slice::Iter<'_, u8>) -> Option<u8> {
    let (high, low) = (hex_digit(*digits.next()?)?, hex_digit(*digits.next()?)?);
    Some(high << 4 | low)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Tells whether a field's value may hold these bytes (RFC 9110 §5.5): no control character but the tab.
#[inline]
pub fn is_text(bytes: &[u8]) -> bool {
    holds_no_control(bytes) || value_end(bytes, 0) == bytes.len()
}

/// Whether no byte is below 0x20 or is 0x7f. The last block is looked at where it ends, and so may begin
/// within the one before it.
#[inline]
fn holds_no_control(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        return !has_control(last) && !bytes.as_chunks::<16>().0.iter().any(has_control);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return (controls(u64::from_le_bytes(*first)) | controls(u64::from_le_bytes(*last))) == 0;
    }
    !bytes.iter().any(|&byte| ends_value(byte))
}

#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Where the run of `class` that begins at `at` ends.
#[inline]
pub(crate) fn run(bytes: &[u8], at: usize, class: u8) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| !is(byte, class)).unwrap_or(rest.len())
}

/// Where the name that begins at `at` ends: the next byte that is not of [`PLAIN_NAME`], or the end of
/// `bytes`.
#[inline]
pub(crate) fn name_end(bytes: &[u8], at: usize) -> usize {
    find(bytes, at, not_letters, |byte| !is(byte, PLAIN_NAME))
}

/// Where the field value that begins at `at` ends: the next byte that no value may hold, or the end of
/// `bytes`.
///
/// RFC 9110 §5.5: a value holds visible characters, obs-text, space and tab.
#[inline]
pub(crate) fn value_end(bytes: &[u8], at: usize) -> usize {
    let (blocks, _) = bytes.get(at..).unwrap_or_default().as_chunks::<16>();
    let clean = blocks.iter().position(has_control).unwrap_or(blocks.len());
    find(bytes, at + clean * 16, controls, ends_value)
}

/// The first byte from `at` on that `stops`, or the end of `bytes`. Looked for eight bytes at a time:
/// `suspects` marks the high bit of those that may stop, and of no less than those.
#[inline]
fn find(bytes: &[u8], at: usize, suspects: impl Fn(u64) -> u64, stops: impl Fn(u8) -> bool) -> usize {
    let (words, tail) = bytes.get(at..).unwrap_or_default().as_chunks::<8>();
    let mut start = at;
    for word in words {
        let mut suspects = suspects(u64::from_le_bytes(*word));
        while suspects != 0 {
            let place = suspects.trailing_zeros() as usize / 8;
            if stops(word[place]) {
                return start + place;
            }
            suspects &= suspects - 1;
        }
        start += 8;
    }
    start + tail.iter().position(|&byte| stops(byte)).unwrap_or(tail.len())
}

/// Whether one of the bytes is below 0x20 or is 0x7f. Compiles to a few vector instructions, there being no
/// branch per byte.
fn has_control(block: &[u8; 16]) -> bool {
    block.iter().fold(false, |any, &byte| any | (byte < 0x20) | (byte == 0x7f))
}

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks what is below 0x20 or is 0x7f. A borrow may mark a harmless byte above one that is marked.
fn controls(word: u64) -> u64 {
    let low = word.wrapping_sub(each(0x20)) & !word;
    let delete = word ^ each(0x7f);
    let delete = delete.wrapping_sub(each(1)) & !delete;
    (low | delete) & each(0x80)
}

/// Marks what is neither an ASCII letter nor `-`.
fn not_letters(word: u64) -> u64 {
    let lower = (word | each(0x20)) & each(0x7f);
    let from_a = lower + each(0x80 - b'a');
    let beyond_z = lower + each(0x7f - b'z');
    let not_dash = ((word & each(0x7f)) ^ each(b'-')) + each(0x7f);
    (word | (not_dash & (!from_a | beyond_z))) & each(0x80)
}

fn ends_value(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte: u8 = 0x21;
    while byte < 0x7f {
        table[byte as usize] = match byte {
            b'A'..=b'Z' | b'-' => TOKEN | PLAIN_NAME | METHOD | PATH | QUERY | HOST,
            b'_' => TOKEN | METHOD | PATH | QUERY | HOST,
            b'a'..=b'z' | b'0'..=b'9' | b'.' => TOKEN | PLAIN_NAME | PATH | QUERY | HOST,
            b'!' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'~' => TOKEN | PLAIN_NAME | PATH | QUERY,
            b'^' | b'`' | b'|' => TOKEN | PLAIN_NAME | ODD,
            b'#' => TOKEN | PLAIN_NAME,
            b'(' | b')' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'[' | b']' => PATH | QUERY,
            b'?' => QUERY,
            b'"' | b'<' | b'>' | b'\\' | b'{' | b'}' => ODD,
            _ => 0,
        };
        byte += 1;
    }
    while byte < 0xff {
        byte += 1;
        table[byte as usize] = ODD;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_the_byte_by_byte_rule_says() {
        for byte in 0..=255u8 {
            for length in 0..20 {
                for place in 0..length {
                    let mut value = vec![b'\t'; length];
                    value[place] = byte;
                    let expected = if ends_value(byte) { place } else { length };
                    assert_eq!(value_end(&value, 0), expected, "{byte:#x} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_name_ends_where_the_byte_by_byte_rule_says() {
        for byte in 0..=255u8 {
            for length in 0..20 {
                for place in 0..length {
                    let mut name = vec![b'0'; length];
                    name[place] = byte;
                    assert_eq!(
                        name_end(&name, 0),
                        run(&name, 0, PLAIN_NAME),
                        "{byte:#x} at {place} of {length}"
                    );
                    assert_eq!(
                        not_letters(each(byte)) == 0,
                        byte.is_ascii_alphabetic() || byte == b'-',
                        "{byte:#x}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_run_ends_with_its_class() {
        assert_eq!(run(b"GET /", 0, METHOD), 3);
        assert_eq!(run(b"x_y:", 0, TOKEN), 3);
        assert_eq!(run(b"x_y:", 0, PLAIN_NAME), 1);
        assert_eq!(run(b"abc", 3, TOKEN), 3);
        assert_eq!(run(b"abc", 9, TOKEN), 9);
    }
}
