//! Where the readers of a body are, and which of them its writer waits for.

use tokio::time::Instant;

use super::{BodyState, PATIENCE, ReaderPlace, STILL};

impl BodyState {
    pub(super) fn fastest(&self) -> Option<ReaderPlace> {
        self.readers.iter().flatten().max_by_key(|place| place.chunk).copied()
    }

    /// Until when the writer waits before it adds so many bytes more, for those that read slower than the
    /// fastest, which reads chunk `next`. `None`: nobody would fall behind who is to be waited for.
    pub(super) fn waits_for_others(
        &self,
        next: usize,
        behind: u64,
        added: u64,
        now: Instant,
    ) -> Option<Instant> {
        let patience = PATIENCE.checked_sub(self.waited).filter(|left| !left.is_zero())?;
        let would_fall = |place: &&ReaderPlace| {
            place.chunk < next && (self.length + added).saturating_sub(place.bytes) > behind
        };
        let falling = self.readers.iter().flatten().filter(would_fall);
        let still = falling.map(|place| place.moved + STILL).filter(|&until| until > now).min()?;
        Some(still.min(now + patience))
    }

    /// A reader has asked for more than there is.
    pub(super) fn waits(&mut self, seat: usize, place: &mut ReaderPlace) {
        place.is_waiting = true;
        if let Some(seat) = self.readers.get_mut(seat) {
            *seat = Some(*place);
        }
    }

    /// A reader has read all there is and wants more, or there is none.
    pub(super) fn has_nobody_to_wait_for(&self) -> bool {
        let mut readers = self.readers.iter().flatten().peekable();
        readers.peek().is_none() || readers.any(|place| place.is_waiting && place.bytes == self.length)
    }

    pub(super) fn keep_for_first(&mut self) {
        self.first_only = true;
        for place in &mut self.readers {
            place.take_if(|place| !place.first);
        }
    }
}
