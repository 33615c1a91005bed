//! Streams that are over and may still get frames, which were on their way.

use std::collections::VecDeque;

/// Streams that are remembered. What is older was closed long before its client last heard of it.
const REMEMBERED: usize = 128;

/// Who ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosingSide {
    /// We reset it: the client's frames may be on their way still.
    Us,
    /// The client has said that it sends nothing more.
    Client,
}

#[derive(Default)]
pub(crate) struct ClosedStreams {
    recent: VecDeque<(u32, ClosingSide)>,
}

impl ClosedStreams {
    pub(crate) fn add(&mut self, stream: u32, by: ClosingSide) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((stream, by));
    }

    /// `None`: it was closed long ago, or never opened.
    pub(crate) fn find(&self, stream: u32) -> Option<ClosingSide> {
        self.recent.iter().rev().find(|(closed, _)| *closed == stream).map(|(_, by)| *by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered() {
        let mut closed = ClosedStreams::default();
        for stream in 0..1000 {
            closed.add(stream, if stream % 2 == 0 { ClosingSide::Us } else { ClosingSide::Client });
        }
        assert_eq!(closed.recent.len(), REMEMBERED);
        assert_eq!(closed.find(999), Some(ClosingSide::Client));
        assert_eq!(closed.find(998), Some(ClosingSide::Us));
        assert_eq!((closed.find(1), closed.find(5000)), (None, None));
    }
}
