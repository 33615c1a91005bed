//! Header blocks: what one decoder reads of them, another reads of our own writing of it; nothing is longer
//! than the list allows; and a block that cannot be read leaves no panic behind. The first byte of each piece
//! is its length.
#![no_main]

use http2::{Decoder, FieldList, block};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 2048;
/// RFC 9113 section 6.5.2: what a field counts beyond its bytes.
const OVERHEAD: usize = 32;

fuzz_target!(|bytes: &[u8]| {
    let (mut decoder, mut rest) = (Decoder::default(), bytes);
    while let Some((length, more)) = rest.split_first() {
        let (block, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        let mut fields = FieldList::new(LIMIT);
        if decoder.decode(block, &mut fields).is_err() {
            return;
        }
        let size: usize = fields.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum();
        assert!(size <= LIMIT);
        let mut written = Vec::new();
        fields.iter().for_each(|(name, value)| block::field(&mut written, name, value));
        let mut again = FieldList::new(LIMIT);
        assert_eq!(Decoder::default().decode(&written, &mut again), Ok(()));
        assert!(fields.iter().eq(again.iter()));
    }
});
