//! Bytes on their way to the client: frames in the order in which they are sent. Small ones are gathered in
//! one buffer, bodies stay where they are.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// A buffer that grew beyond this is given back when it is empty.
const KEPT: usize = 64 * 1024;
/// Pieces of bodies that are copied rather than sent from where they are.
const COPIED: usize = 512;

#[derive(Default)]
pub struct Outbox {
    /// The small frames, one behind the other.
    small: Vec<u8>,
    /// How much of them was sent.
    sent: usize,
    parts: VecDeque<OutPart>,
    length: usize,
}

enum OutPart {
    /// As many of the next bytes of `small`.
    Small(usize),
    Body(Bytes),
}

impl Outbox {
    /// Bytes that are not sent yet.
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.small.extend_from_slice(bytes);
        self.length += bytes.len();
        match self.parts.back_mut() {
            Some(OutPart::Small(length)) => *length += bytes.len(),
            _ => self.parts.push_back(OutPart::Small(bytes.len())),
        }
    }

    pub(crate) fn body(&mut self, body: Bytes) {
        if body.len() <= COPIED {
            return self.copy(&body);
        }
        self.length += body.len();
        self.parts.push_back(OutPart::Body(body));
    }

    /// Fills `slices` with what comes next, and returns how many there are.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut small = self.small.get(self.sent..).unwrap_or_default();
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = IoSlice::new(match part {
                OutPart::Body(body) => body,
                OutPart::Small(length) => {
                    let (part, rest) = small.split_at_checked(*length).unwrap_or((small, &[]));
                    small = rest;
                    part
                }
            });
            count += 1;
        }
        count
    }

    /// So many bytes were sent.
    pub fn advance(&mut self, mut sent: usize) {
        self.length -= sent.min(self.length);
        while sent > 0
            && let Some(part) = self.parts.front_mut()
        {
            let length = match part {
                OutPart::Small(length) => *length,
                OutPart::Body(body) => body.len(),
            };
            let taken = sent.min(length);
            sent -= taken;
            match part {
                OutPart::Small(left) => {
                    self.sent += taken;
                    *left -= taken;
                }
                OutPart::Body(body) => body.advance(taken),
            }
            if taken == length {
                self.parts.pop_front();
            }
        }
        if self.length == 0 {
            self.sent = 0;
            self.small.clear();
            if self.small.capacity() > KEPT {
                self.small = Vec::new();
            }
        }
    }

    /// Gives back the memory of an empty one.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    #[cfg(test)]
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = self.slices(&mut slices);
            let before = all.len();
            slices.iter().take(count).for_each(|slice| all.extend_from_slice(slice));
            self.advance(all.len() - before);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_however_few_are_taken_at_once() {
        let body = Bytes::from(vec![b'x'; 2000]);
        for step in [1, 2, 3, 7, 500, 1999, 2000, 2001, 10_000] {
            let mut out = Outbox::default();
            out.copy(b"one");
            out.copy(b"two");
            out.body(body.clone());
            out.body(Bytes::from_static(b"short"));
            out.copy(b"three");
            out.body(body.clone());
            let expected = [&b"onetwo"[..], &body, b"shortthree", &body].concat();
            assert_eq!(out.len(), expected.len());
            let mut seen = Vec::new();
            while !out.is_empty() {
                let mut slices = [IoSlice::new(&[]); 2];
                let count = out.slices(&mut slices);
                let piece: Vec<u8> =
                    slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
                assert!(!piece.is_empty());
                seen.extend_from_slice(&piece);
                out.advance(piece.len());
            }
            assert!(seen == expected, "{step}");
            assert!(out.small.is_empty() && out.parts.is_empty());
        }
    }
}
