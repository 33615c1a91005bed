//! Strings in Huffman's code (RFC 7541 section 5.2). Read half a byte at a time by a table of states, which
//! are the inner nodes of the code's tree.

use super::huffman_codes::{CODES, EOS, LENGTHS, SYMBOLS, codes};

/// Inner nodes of a tree with 257 leaves.
const STATES: usize = SYMBOLS - 1;
/// Marks a leaf among the children of a node.
const LEAF: u16 = 0x8000;

/// What four bits do in a state.
#[derive(Clone, Copy)]
struct Transition {
    next: u8,
    symbol: u8,
    /// A symbol ended within the four bits; no code is shorter than five.
    has_symbol: bool,
    /// The end of string was among them.
    is_wrong: bool,
    /// A string may end in the state `next`.
    may_end: bool,
}

static TRANSITIONS: [[Transition; 16]; STATES] = transitions();

const fn tree() -> [[u16; 2]; STATES] {
    let mut nodes = [[0u16; 2]; STATES];
    let mut used = 1;
    let codes = codes();
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let mut node = 0;
        let mut left = LENGTHS[symbol];
        while left > 0 {
            left -= 1;
            let bit = (codes[symbol] >> left & 1) as usize;
            if left == 0 {
                nodes[node][bit] = LEAF | symbol as u16;
            } else if nodes[node][bit] == 0 {
                nodes[node][bit] = used;
                node = used as usize;
                used += 1;
            } else {
                node = nodes[node][bit] as usize;
            }
        }
        symbol += 1;
    }
    nodes
}

const fn transitions() -> [[Transition; 16]; STATES] {
    let nodes = tree();
    let nothing = Transition { next: 0, symbol: 0, has_symbol: false, is_wrong: false, may_end: false };
    let mut table = [[nothing; 16]; STATES];
    let may_end = padded(&nodes);
    let mut state = 0;
    while state < STATES {
        let mut bits = 0;
        while bits < 16 {
            let mut step = nothing;
            let mut node = state;
            let mut left = 4;
            while left > 0 {
                left -= 1;
                let child = nodes[node][bits >> left & 1];
                if child & LEAF == 0 {
                    node = child as usize;
                } else {
                    let symbol = (child & !LEAF) as usize;
                    if symbol == EOS {
                        step.is_wrong = true;
                    } else {
                        step.symbol = symbol as u8;
                        step.has_symbol = true;
                    }
                    node = 0;
                }
            }
            step.next = node as u8;
            step.may_end = may_end[node];
            table[state][bits] = step;
            bits += 1;
        }
        state += 1;
    }
    table
}

/// RFC 7541 section 5.2: "A padding strictly longer than 7 bits MUST be treated as a decoding error. A
/// padding not corresponding to the most significant bits of the code for the EOS symbol MUST be treated as a
/// decoding error." Those bits are ones.
const fn padded(nodes: &[[u16; 2]; STATES]) -> [bool; STATES] {
    let mut may_end = [false; STATES];
    let (mut node, mut ones) = (0, 0);
    while ones <= 7 {
        may_end[node] = true;
        node = nodes[node][1] as usize;
        ones += 1;
    }
    may_end
}

/// Appends the string to `out`. `None`: it is not in this code.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.reserve(bytes.len() * 8 / 5);
    let (mut state, mut may_end) = (0u8, true);
    for byte in bytes {
        for bits in [byte >> 4, byte & 15] {
            let step = TRANSITIONS[usize::from(state)][usize::from(bits)];
            if step.is_wrong {
                return None;
            }
            if step.has_symbol {
                out.push(step.symbol);
            }
            (state, may_end) = (step.next, step.may_end);
        }
    }
    may_end.then_some(())
}

/// How many bytes the string takes.
pub(super) fn length(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut held) = (0u64, 0u32);
    for byte in text {
        let (code, length) = (CODES[usize::from(*byte)], u32::from(LENGTHS[usize::from(*byte)]));
        bits = bits << length | u64::from(code);
        held += length;
        while held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    if held > 0 {
        out.push((bits << (8 - held)) as u8 | (0xff >> held));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        assert_eq!(out.len(), length(text));
        out
    }

    fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn the_examples_of_appendix_c() {
        let cases: [(&str, &[u8]); 4] = [
            ("www.example.com", &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]),
            ("no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
            ("custom-value", &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]),
            ("302", &[0x64, 0x02]),
        ];
        for (text, bytes) in cases {
            assert_eq!(encoded(text.as_bytes()), bytes);
            assert_eq!(decoded(bytes).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn padding_is_of_ones_and_shorter_than_a_byte() {
        let cases: [(&[u8], Option<&[u8]>); 6] = [
            (b"", Some(b"")),
            // One "0" and three bits of padding; the same with a zero among them.
            (&[0x07], Some(b"0")),
            (&[0x06], None),
            // Seven bits may follow a symbol of a byte's length, eight may not.
            (&[0xf8, 0xff], None),
            (&[0xff], None),
            (&[0xff, 0xff, 0xff, 0xff], None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(decoded(bytes).as_deref(), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decoded(&encoded(&text)), Some(text));
        }

        #[test]
        fn one_string_has_one_code(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(text) = decoded(&bytes) {
                prop_assert_eq!(encoded(&text), bytes);
            }
        }
    }
}
