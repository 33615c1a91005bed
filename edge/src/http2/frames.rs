//! Follows the frames of one direction of a connection as its bytes pass: whether a head is half sent, how
//! many streams were reset because of the client, and how many frames brought nothing. It looks at bytes
//! only; `h2` interprets the frames.

use crate::http2::PREFACE;

/// RFC 9113 section 4.1: length (24 bits), type, flags, stream.
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// RFC 9113 section 7: these codes of RST_STREAM blame no client.
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

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
    /// Bytes of the payload of an RST_STREAM frame, its code, that are still to be read.
    code_left: usize,
    code: u32,
    pub(super) counts: Counts,
}

/// What the frames until now were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// RST_STREAM frames.
    pub(super) resets: u64,
    /// Those of them that blame the other side.
    pub(super) blaming: u64,
    /// Heads.
    pub(super) heads: u64,
    /// Frames that ask for nothing and carry nothing.
    pub(super) idle: u64,
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
            code_left: 0,
            code: 0,
            counts: Counts::default(),
        }
    }
}

impl Frames {
    /// The direction that has no preface: what the edge sends.
    pub(super) fn of_server() -> Self {
        Self { preface_left: 0, ..Self::default() }
    }

    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        let skip = |count: usize, bytes: &mut &[u8]| {
            let taken = count.min(bytes.len());
            *bytes = bytes.get(taken..).unwrap_or_default();
            taken
        };
        self.preface_left -= skip(self.preface_left, &mut bytes);
        while !bytes.is_empty() {
            if self.left > 0 {
                if self.code_left > 0 {
                    self.read_code(bytes);
                }
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
        self.code_left = 0;
        match kind {
            HEADERS => {
                self.in_head = flags & END_HEADERS == 0;
                self.counts.heads += 1;
            }
            CONTINUATION => {
                self.in_head = flags & END_HEADERS == 0;
                self.counts.idle += u64::from(self.left == 0);
            }
            RST_STREAM => {
                self.counts.resets += 1;
                (self.code_left, self.code) = (self.left.min(4), 0);
            }
            DATA => self.counts.idle += u64::from(self.left == 0 && flags & END_STREAM == 0),
            // SETTINGS, PUSH_PROMISE, PING, GOAWAY, PRIORITY, WINDOW_UPDATE, and types that nobody knows.
            _ => self.counts.idle += 1,
        }
    }

    /// Reads the code of an RST_STREAM frame, or as much of it as has come.
    fn read_code(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(self.code_left) {
            self.code = self.code << 8 | u32::from(*byte);
        }
        self.code_left -= self.code_left.min(bytes.len());
        if self.code_left == 0 && !matches!(self.code, NO_ERROR | REFUSED_STREAM | CANCEL) {
            self.counts.blaming += 1;
        }
    }

    /// Something has begun that must end before anything else can come.
    pub(super) fn is_unfinished(&self) -> bool {
        self.preface_left > 0 || self.in_head || self.have > 0 || (self.left > 0 && !self.data)
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
        add(frame(DATA, END_STREAM, b""), true);
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
            let expected = Counts { resets: 1, blaming: 1, heads: 2, idle: 2 };
            assert_eq!(frames.counts, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn only_errors_blame_the_client() {
        for (code, blaming) in [(0, 0), (1, 1), (3, 1), (7, 0), (8, 0), (11, 1), (256, 1)] {
            let mut frames = Frames::of_server();
            frames.read(&frame(RST_STREAM, 0, &u32::to_be_bytes(code)));
            assert_eq!((frames.counts.resets, frames.counts.blaming), (1, blaming), "{code}");
        }
    }

    #[test]
    fn frames_that_bring_nothing_are_counted() {
        let cases = [
            (DATA, 0, "", 1),
            (DATA, END_STREAM, "", 0),
            (DATA, 0, "x", 0),
            (HEADERS, END_HEADERS, "x", 0),
            (CONTINUATION, 0, "", 1),
            (2, 0, "12345", 1),
            (4, 0, "", 1),
            (6, 0, "12345678", 1),
            (8, 0, "1234", 1),
            (99, 0, "anything", 1),
        ];
        for (kind, flags, payload, idle) in cases {
            let mut frames = Frames::of_server();
            frames.read(&frame(kind, flags, payload.as_bytes()));
            assert_eq!(frames.counts.idle, idle, "{kind}");
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
