//! The variables of a request: for each, two lengths, a name and a value.

use bytes::{BufMut, BytesMut};
use cgi::environ::{OversizedRequest, Variables};

use crate::record::LARGEST;

/// Collects at most 64 KiB of variables.
#[derive(Debug, Default)]
pub struct Params(BytesMut);

impl Params {
    pub fn new() -> Self {
        Self(BytesMut::with_capacity(2048))
    }

    /// The content for a record.
    pub fn finish(self) -> BytesMut {
        self.0
    }

    /// Up to 127 in one byte, else in four with the highest bit set.
    fn length(&mut self, length: usize) -> Result<(), OversizedRequest> {
        match u8::try_from(length) {
            Ok(short @ 0..=127) => self.0.put_u8(short),
            _ => self.0.put_u32(u32::try_from(length).map_err(|_| OversizedRequest::Packet)? | 1 << 31),
        }
        Ok(())
    }
}

impl Variables for Params {
    /// Adds a variable. All variables must fit into one record: servers (PHP among them) do not join
    /// variables that are split over two.
    fn variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), OversizedRequest> {
        // Two lengths take at most eight bytes.
        if self.0.len() + 8 + name.len() + value.len() > LARGEST {
            return Err(OversizedRequest::Packet);
        }
        self.length(name.len())?;
        self.length(value.len())?;
        self.0.put_slice(name);
        self.0.put_slice(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_one_byte_or_four() {
        let mut params = Params::new();
        params.variable(b"A", b"").unwrap();
        params.variable(b"BC", &[b'x'; 127]).unwrap();
        params.variable(b"D", &[b'y'; 128]).unwrap();
        let mut expected = b"\x01\x00A\x02\x7fBC".to_vec();
        expected.extend([b'x'; 127]);
        expected.extend(b"\x01\x80\x00\x00\x80D");
        expected.extend([b'y'; 128]);
        assert_eq!(params.finish()[..], expected);
    }

    #[test]
    fn what_needs_a_second_record_is_refused_and_leaves_nothing() {
        let mut params = Params::new();
        params.variable(b"A", b"1").unwrap();
        assert_eq!(params.variable(b"B", &[b'x'; LARGEST]), Err(OversizedRequest::Packet));
        assert_eq!(params.variable(b"B", &vec![b'x'; LARGEST - 4 - 9]), Ok(()));
        assert_eq!(params.variable(b"C", b""), Err(OversizedRequest::Packet));
        assert!(params.finish().len() <= LARGEST);
    }
}
