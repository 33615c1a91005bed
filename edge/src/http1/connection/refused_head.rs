//! A request whose head is refused, and what the logs say of it.

use http1::head::Refusal;

/// The longest part of a line that is logged.
const MOST: usize = 8 * 1024;

pub(super) struct RefusedHead {
    pub(super) refusal: Refusal,
    /// The request is HEAD.
    pub(super) head_only: bool,
    /// What there is of its first line.
    pub(super) line: Vec<u8>,
}

impl RefusedHead {
    pub(super) fn boxed(refusal: Refusal, head_only: bool, bytes: &[u8]) -> Box<Self> {
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let line = bytes.split(is_end).find(|line| !line.is_empty()).unwrap_or_default();
        let line = line.get(..MOST).unwrap_or(line).to_vec();
        Box::new(Self { refusal, head_only, line })
    }
}
