//! One request's way through a body that is arriving.

use std::sync::Arc;

use bytes::Bytes;
use http_cache::Reason;
use tokio::time::Instant;

use super::{BodyState, IncompleteBody, ReaderPlace, SharedBody};

/// One request's position in a body that is arriving.
pub(crate) struct Reader {
    pub(super) body: Arc<SharedBody>,
    pub(super) seat: usize,
    pub(super) place: ReaderPlace,
}

impl Reader {
    /// The next chunk, as soon as it is there; `None` at the end of a complete body.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, IncompleteBody>> {
        loop {
            let grown = self.body.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            {
                let mut state = self.body.state.lock();
                if self.is_cut_off(&state) {
                    return Some(Err(IncompleteBody));
                }
                if self.may_begin(&state)
                    && let Some(chunk) = state.chunks.get(self.place.chunk - state.dropped).cloned()
                {
                    self.place.chunk += 1;
                    self.place.bytes += chunk.len() as u64;
                    self.place.moved = Instant::now();
                    self.place.is_waiting = false;
                    if let Some(seat) = state.readers.get_mut(self.seat) {
                        *seat = Some(self.place);
                    }
                    drop(state);
                    self.body.read.notify_one();
                    return Some(Ok(chunk));
                }
                match state.end {
                    Some(Ok(())) => return None,
                    Some(Err(broken)) => return Some(Err(broken)),
                    None => {}
                }
                state.waits(self.seat, &mut self.place);
            }
            self.body.read.notify_one();
            grown.await;
        }
    }

    /// Resolves when there is something that may be read: true, or false if there never will be.
    pub(crate) async fn begun(&mut self) -> bool {
        loop {
            let grown = self.body.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            {
                let mut state = self.body.state.lock();
                if self.is_cut_off(&state) || matches!(state.end, Some(Err(_))) {
                    return false;
                }
                if state.end.is_some() || (state.length > 0 && self.may_begin(&state)) {
                    return true;
                }
                state.waits(self.seat, &mut self.place);
            }
            self.body.read.notify_one();
            grown.await;
        }
    }

    /// Whether the page is stored, or why it is not; `None`: nobody knows yet.
    pub(crate) fn fate(&self) -> Option<Result<(), Reason>> {
        self.body.state.lock().fate
    }

    /// Resolves when it is known whether the page is stored, never will be, or nobody can wait for that.
    pub(crate) async fn decided(&self) {
        loop {
            let grown = self.body.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            {
                let state = self.body.state.lock();
                // The writer of a window waits for whoever reads it.
                let is_held_up = state.window || self.is_cut_off(&state);
                if state.fate.is_some() || state.end.is_some() || is_held_up {
                    return;
                }
            }
            grown.await;
        }
    }

    /// The complete length, once it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        let state = self.body.state.lock();
        (state.end == Some(Ok(()))).then_some(state.length)
    }

    /// Whether others may read the body too, as soon as that is known.
    pub(crate) async fn is_for_all(&self) -> bool {
        loop {
            let grown = self.body.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            {
                let state = self.body.state.lock();
                match (state.first_only, state.searched, state.end) {
                    (true, ..) | (_, true, Some(Err(_))) => return false,
                    (_, false, _) | (_, true, Some(Ok(()))) => return true,
                    (false, true, None) => {}
                }
            }
            grown.await;
        }
    }

    /// The body with its coded copies, if it is complete and nothing of it has been read by this reader.
    pub(crate) fn complete(&self) -> Option<Arc<SharedBody>> {
        let state = self.body.state.lock();
        let complete = state.end == Some(Ok(())) && !state.window && self.place.chunk == 0;
        complete.then(|| self.body.clone())
    }

    /// Nothing is left of its place: it fell behind, or the page is another's own.
    fn is_cut_off(&self, state: &BodyState) -> bool {
        state.first_only && !self.place.first || self.place.chunk < state.dropped
    }

    fn may_begin(&self, state: &BodyState) -> bool {
        self.place.first || !state.searched || state.end == Some(Ok(()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.body.state.lock();
        if !self.is_cut_off(&state)
            && let Some(seat) = state.readers.get_mut(self.seat)
        {
            *seat = None;
        }
        drop(state);
        self.body.read.notify_one();
    }
}
