//! Places in a purge log.

use std::fmt;

/// Which log a place is in. Random: a log that may have lost purges is succeeded by one with another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(u128);

/// A place in a log: that of a purge, or "after the purge that has this place". Grows, with gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(u64);

/// Where a log stood when the right to make a page was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub log: LogId,
    pub seq: Seq,
}

impl LogId {
    pub fn new(random: u128) -> Self {
        Self(random)
    }

    /// Sixteen bytes, as messages and records have it.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// `None`: not sixteen bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Seq {
    /// Before every purge.
    pub const START: Self = Self(0);

    pub fn new(seq: u64) -> Self {
        Self(seq)
    }

    pub fn get(self) -> u64 {
        self.0
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_id_goes_through_bytes_and_nothing_else_does() {
        let id = LogId::new(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(LogId::from_bytes(&id.to_bytes()), Some(id));
        assert_eq!(id.to_string(), "0123456789abcdef0011223344556677");
        for wrong in [0, 15, 17] {
            assert_eq!(LogId::from_bytes(&vec![0; wrong]), None);
        }
    }
}
