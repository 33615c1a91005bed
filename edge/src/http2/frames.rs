//! Follows the frames of a connection as its bytes arrive: whether a head is half sent, and how many streams
//! were reset. It looks at bytes only; `h2` interprets the frames.

use crate::http2::PREFACE;

/// RFC 9113 section 4.1: length (24 bits), type, flags, stream.
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[derive(Debug)]
pub(super) struct Frames {
    preface_left: usize,
    /// The bytes so far of the frame header being parsed.
    header: [u8; HEADER],
    have: usize,
    /// The rest of the frame's payload.
    left: usize,
    /// The frame is DATA; a slow one is the business of its reader.
    data: bool,
    /// A head has begun and no frame has ended it.
    in_head: bool,
    resets: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            preface_left: PREFACE.len(),
            header: [0; HEADER],
            have: 0,
            left: 0,
            data: false,
            in_head: false,
            resets: 0,
        }
    }
}

impl Frames {
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        let skip = |count: usize, bytes: &mut &[u8]| {
            let taken = count.min(bytes.len());
            *bytes = bytes.get(taken..).unwrap_or_default();
            taken
        };
        self.preface_left -= skip(self.preface_left, &mut bytes);
        while !bytes.is_empty() {
            if self.left > 0 {
                self.left -= skip(self.left, &mut bytes);
                continue;
            }
            if let (Some(place), Some(byte)) = (self.header.get_mut(self.have), bytes.first()) {
                *place = *byte;
            }
            self.have += skip(1, &mut bytes);
            if self.have == HEADER {
                self.begin_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.have = 0;
        self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
        self.data = kind == DATA;
        match kind {
            HEADERS | CONTINUATION => self.in_head = flags & END_HEADERS == 0,
            RST_STREAM => self.resets += 1,
            _ => {}
        }
    }

    /// Something has begun that must end before anything else can come.
    pub(super) fn is_unfinished(&self) -> bool {
        self.preface_left > 0 || self.in_head || self.have > 0 || (self.left > 0 && !self.data)
    }

    /// The number of RST_STREAM frames until now.
    pub(super) fn resets(&self) -> u64 {
        self.resets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn knows_what_is_half_sent_however_it_is_cut() {
        let mut all = PREFACE.to_vec();
        let mut finished_at = vec![all.len()];
        let mut add = |frame: Vec<u8>, ends: bool| {
            all.extend_from_slice(&frame);
            if ends {
                finished_at.push(all.len());
            }
        };
        add(frame(4, 0, b"settings"), true);
        add(frame(HEADERS, 0, b"begun"), false);
        add(frame(CONTINUATION, 0, b""), false);
        add(frame(CONTINUATION, END_HEADERS, b"ended"), true);
        add(frame(RST_STREAM, 0, b"1234"), true);
        add(frame(HEADERS, END_HEADERS, b""), true);
        for piece in 1..40 {
            let mut frames = Frames::default();
            let mut read = 0;
            for bytes in all.chunks(piece) {
                frames.read(bytes);
                read += bytes.len();
                assert_eq!(
                    frames.is_unfinished(),
                    !finished_at.contains(&read),
                    "{read} in pieces of {piece}"
                );
            }
            assert_eq!(frames.resets(), 1);
        }
    }

    #[test]
    fn half_a_data_frame_is_not_a_head() {
        let mut frames = Frames::default();
        frames.read(PREFACE);
        let data = frame(DATA, 0, b"0123456789");
        frames.read(&data[..12]);
        assert!(!frames.is_unfinished());
        frames.read(&data[12..]);
        assert!(!frames.is_unfinished());
    }
}
