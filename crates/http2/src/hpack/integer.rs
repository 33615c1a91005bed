//! Integers with a prefix (RFC 7541 section 5.1).

/// RFC 7541 section 5.1: "Integer encodings that exceed implementation limits -- in value or octet length --
/// MUST be treated as decoding errors." No length or index in a block is near this.
const MOST: usize = 1 << 24;
const MAX_OCTETS: u32 = 4;

/// The integer whose prefix of this many bits begins at the front of `bytes`, which moves behind it. `None`:
/// it is too large, or the bytes end.
pub(super) fn read(bytes: &mut &[u8], prefix: u32) -> Option<usize> {
    let mask = (1usize << prefix) - 1;
    let (first, mut rest) = bytes.split_first()?;
    let mut value = usize::from(*first) & mask;
    if value == mask {
        for octet in 0.. {
            let (byte, after) = rest.split_first()?;
            rest = after;
            value += usize::from(byte & 0x7f) << (7 * octet);
            if byte & 0x80 == 0 {
                break;
            }
            if octet + 1 == MAX_OCTETS {
                return None;
            }
        }
    }
    *bytes = rest;
    (value < MOST).then_some(value)
}

/// Writes it with these bits before the prefix.
pub(super) fn write(out: &mut Vec<u8>, bits: u8, prefix: u32, value: usize) {
    let mask = (1usize << prefix) - 1;
    if value < mask {
        return out.push(bits | value as u8);
    }
    out.push(bits | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_appendix_c_1() {
        let cases: [(usize, u32, &[u8]); 3] = [(10, 5, &[10]), (1337, 5, &[31, 154, 10]), (42, 8, &[42])];
        for (value, prefix, encoded) in cases {
            let mut out = Vec::new();
            write(&mut out, 0, prefix, value);
            assert_eq!(out, encoded);
            let mut rest = encoded;
            assert_eq!((read(&mut rest, prefix), rest.len()), (Some(value), 0));
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_has_no_end_or_is_too_large_is_not() {
        for prefix in 4..=8 {
            for value in (0..70_000).chain([MOST - 1]) {
                let mut out = Vec::new();
                write(&mut out, 0, prefix, value);
                assert_eq!(read(&mut out.as_slice(), prefix), Some(value));
                assert_eq!(read(&mut &out[..out.len() - 1], prefix), None);
            }
        }
        let cases: [&[u8]; 5] = [
            &[],
            &[0x1f],
            &[0x1f, 0x80, 0x80, 0x80, 0x80, 0],
            &[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x1f, 0xff, 0xff, 0xff, 0x7f],
        ];
        for mut bytes in cases {
            assert_eq!(read(&mut bytes, 5), None, "{bytes:?}");
        }
    }
}
