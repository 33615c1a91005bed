//! Streams: entries in the order of their places, which never go back.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::database::now;
use super::resp::Reply;

/// A place in a stream: milliseconds and a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64, u64);

/// Entries by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    entries: BTreeMap<Place, Vec<Bytes>>,
    last: Place,
}

impl Place {
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (ms, count) = text.split_once('-').unwrap_or((text, "0"));
        Some(Self(ms.parse().ok()?, count.parse().ok()?))
    }

    /// The end of a range: `-`, `+`, a place, or one that is not part of it.
    fn bound(text: &[u8], is_end: bool) -> Option<Self> {
        match (text, text.strip_prefix(b"(")) {
            (b"-", _) => Some(Self(0, 0)),
            (b"+", _) => Some(Self(u64::MAX, u64::MAX)),
            (_, Some(open)) => {
                let Self(ms, count) = Self::read(open)?;
                Some(if is_end { Self(ms, count.checked_sub(1)?) } else { Self(ms, count + 1) })
            }
            _ => Self::read(text),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl Stream {
    pub(super) fn add(&mut self, fields: &[Bytes]) -> Place {
        let now = Place(now(), 0);
        self.last = if now > self.last { now } else { Place(self.last.0, self.last.1 + 1) };
        self.entries.insert(self.last, fields.to_vec());
        self.last
    }

    /// Keeps the newest.
    pub(super) fn keep(&mut self, most: usize) -> usize {
        let over = self.entries.len().saturating_sub(most);
        (0..over).for_each(|_| drop(self.entries.pop_first()));
        over
    }

    /// Drops what is before a place.
    pub(super) fn drop_before(&mut self, place: Place) -> usize {
        let kept = self.entries.split_off(&place);
        std::mem::replace(&mut self.entries, kept).len()
    }

    pub(super) fn range(&self, from: &[u8], to: &[u8], is_reversed: bool, most: usize) -> Option<Reply> {
        let (from, to) = (Place::bound(from, false)?, Place::bound(to, true)?);
        if from > to {
            return Some(Reply::Array(Vec::new()));
        }
        let entry = |(place, fields): (&Place, &Vec<Bytes>)| {
            let fields = fields.iter().cloned().map(Reply::Bulk).collect();
            Reply::Array(vec![Reply::bulk(place.to_string()), Reply::Array(fields)])
        };
        let range = self.entries.range(from..=to);
        Some(Reply::Array(match is_reversed {
            false => range.map(entry).take(most).collect(),
            true => range.rev().map(entry).take(most).collect(),
        }))
    }
}
