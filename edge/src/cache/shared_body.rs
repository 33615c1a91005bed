//! A page's body while it arrives: one fill writes it, and any number of requests read it from its beginning.
//! No chunk is copied.
//!
//! Up to `keep` bytes are kept completely, so that a reader may join at any time. A longer body becomes a
//! window: no more readers join, and the writer waits for the slowest, so that memory stays bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The fill broke off: what was read is not the complete body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the page broke off while it was being filled")]
pub(crate) struct BrokenOff;

/// What a window may hold beyond the slowest reader's position.
const WINDOW: u64 = 256 * 1024;

pub(crate) struct Growing {
    state: Mutex<State>,
    /// Readers wait here for more chunks.
    grown: Notify,
    /// The writer of a window waits here for room.
    read: Notify,
    keep: u64,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    /// The number of chunks dropped from the front: chunk `dropped + i` is `chunks[i]`.
    dropped: usize,
    length: u64,
    end: Option<Result<(), BrokenOff>>,
    /// Each reader's position: chunks and bytes read. `None`: the reader left.
    readers: Vec<Option<Place>>,
    /// Only the first reader may continue.
    first_only: bool,
}

#[derive(Clone, Copy, Default)]
struct Place {
    chunk: usize,
    bytes: u64,
}

/// The result of pushing a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// All chunks are kept until now.
    Kept,
    /// Longer than `keep`: the beginning will be gone at the end.
    Window,
    /// Longer than `keep`, and nobody reads: stop.
    Unread,
}

impl Growing {
    pub(crate) fn new(keep: u64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), grown: Notify::new(), read: Notify::new(), keep })
    }

    /// A body that is complete already.
    pub(crate) fn whole(body: Bytes) -> Arc<Self> {
        let growing = Self::new(u64::MAX);
        {
            let mut state = growing.state.lock();
            state.length = body.len() as u64;
            state.chunks.push_back(body);
            state.end = Some(Ok(()));
        }
        growing
    }

    /// Adds a chunk; waits for slow readers once the body is longer than `keep`.
    pub(crate) async fn push(&self, chunk: Bytes) -> Pushed {
        loop {
            let room = self.read.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.length + chunk.len() as u64 <= self.keep {
                    state.add(chunk);
                    self.grown.notify_waiters();
                    return Pushed::Kept;
                }
                let Some(slowest) = state.slowest() else { return Pushed::Unread };
                state.drop_before(slowest.chunk);
                if state.length - slowest.bytes <= WINDOW {
                    state.add(chunk);
                    self.grown.notify_waiters();
                    return Pushed::Window;
                }
            }
            room.await;
        }
    }

    /// Ends the body: complete, or broken off.
    pub(crate) fn end(&self, how: Result<(), BrokenOff>) {
        self.state.lock().end.get_or_insert(how);
        self.grown.notify_waiters();
    }

    /// The page turned out to be for the first reader alone: for all others it breaks off here.
    pub(crate) fn keep_for_first(&self) {
        let mut state = self.state.lock();
        state.first_only = true;
        state.readers.iter_mut().skip(1).for_each(|place| *place = None);
        drop(state);
        self.grown.notify_waiters();
    }

    /// A reader from the first byte. `None` after the beginning is gone.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.length > self.keep || state.first_only {
            return None;
        }
        let free = state.readers.iter().position(Option::is_none);
        let seat = free.unwrap_or(state.readers.len());
        if free.is_none() {
            state.readers.push(None);
        }
        state.readers[seat] = Some(Place::default());
        drop(state);
        Some(Reader { body: self.clone(), seat, place: Place::default() })
    }

    /// The body in one piece, if it ended completely and all of it was kept.
    pub(crate) fn whole_body(&self) -> Option<Bytes> {
        let state = self.state.lock();
        if state.end != Some(Ok(())) || state.dropped > 0 || state.length > self.keep {
            return None;
        }
        if let [only] = state.chunks.as_slices().0
            && state.chunks.len() == 1
        {
            return Some(only.clone());
        }
        let mut body = BytesMut::with_capacity(state.length as usize);
        state.chunks.iter().for_each(|chunk| body.extend_from_slice(chunk));
        Some(body.freeze())
    }
}

impl State {
    fn add(&mut self, chunk: Bytes) {
        self.length += chunk.len() as u64;
        self.chunks.push_back(chunk);
    }

    fn slowest(&self) -> Option<Place> {
        self.readers.iter().flatten().min_by_key(|place| place.chunk).copied()
    }

    fn drop_before(&mut self, chunk: usize) {
        let gone = chunk.saturating_sub(self.dropped).min(self.chunks.len());
        self.chunks.drain(..gone);
        self.dropped += gone;
    }
}

/// One request's position in a body that is arriving.
pub(crate) struct Reader {
    body: Arc<Growing>,
    seat: usize,
    place: Place,
}

impl Reader {
    /// The next chunk, as soon as it is there; `None` at the end of a complete body.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        loop {
            let grown = self.body.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            {
                let mut state = self.body.state.lock();
                if state.first_only && self.seat != 0 {
                    return Some(Err(BrokenOff));
                }
                if let Some(chunk) = state.chunks.get(self.place.chunk - state.dropped).cloned() {
                    self.place.chunk += 1;
                    self.place.bytes += chunk.len() as u64;
                    state.readers[self.seat] = Some(self.place);
                    drop(state);
                    self.body.read.notify_one();
                    return Some(Ok(chunk));
                }
                match state.end {
                    Some(Ok(())) => return None,
                    Some(Err(broken)) => return Some(Err(broken)),
                    None => {}
                }
            }
            grown.await;
        }
    }

    /// Resolves when there is something to read: true, or false if the body broke off before its first byte.
    pub(crate) async fn begun(&mut self) -> bool {
        loop {
            let grown = self.body.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            {
                let state = self.body.state.lock();
                if state.first_only && self.seat != 0 || matches!(state.end, Some(Err(_))) {
                    return false;
                }
                if state.length > 0 || state.end.is_some() {
                    return true;
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
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.body.state.lock().readers[self.seat] = None;
        self.body.read.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn read_all(mut reader: Reader) -> Result<Vec<u8>, BrokenOff> {
        let mut all = Vec::new();
        while let Some(chunk) = reader.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn early_and_late_readers_get_the_same_whole_body() {
        let body = Growing::new(1000);
        let early = tokio::spawn(read_all(body.reader().unwrap()));
        for chunk in ["one ", "two ", "three"] {
            assert_eq!(body.push(chunk.into()).await, Pushed::Kept);
            tokio::task::yield_now().await;
        }
        let late = body.reader().unwrap();
        body.end(Ok(()));
        assert_eq!(early.await.unwrap().unwrap(), b"one two three");
        assert_eq!(read_all(late).await.unwrap(), b"one two three");
        assert_eq!(body.whole_body().unwrap(), "one two three");
    }

    #[tokio::test]
    async fn a_broken_body_is_never_whole() {
        let body = Growing::new(1000);
        let reader = body.reader().unwrap();
        body.push("half".into()).await;
        body.end(Err(BrokenOff));
        body.end(Ok(()));
        assert_eq!(read_all(reader).await, Err(BrokenOff));
        assert_eq!(body.whole_body(), None);
    }

    #[tokio::test]
    async fn a_page_of_the_first_readers_own_breaks_off_for_the_others() {
        let body = Growing::new(1000);
        let (first, mut second) = (body.reader().unwrap(), body.reader().unwrap());
        body.push("head ".into()).await;
        assert_eq!(second.next().await, Some(Ok("head ".into())));
        body.keep_for_first();
        body.push("secret".into()).await;
        body.end(Ok(()));
        assert_eq!(second.next().await, Some(Err(BrokenOff)));
        assert!(!second.begun().await);
        assert!(body.reader().is_none());
        assert_eq!(read_all(first).await.unwrap(), b"head secret");
    }

    #[tokio::test]
    async fn a_long_body_is_a_window_bounded_by_its_slowest_reader() {
        let body = Growing::new(10);
        let mut slow = body.reader().unwrap();
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let mut pushed = 0;
        while tokio::time::timeout(Duration::from_millis(20), body.push(chunk.clone())).await.is_ok() {
            pushed += 1;
        }
        assert!((4..=6).contains(&pushed), "window of {WINDOW} took {pushed} chunks");
        assert!(body.reader().is_none(), "nobody joins a window");
        slow.next().await.unwrap().unwrap();
        assert_eq!(body.push(chunk.clone()).await, Pushed::Window);
        drop(slow);
        assert_eq!(body.push(chunk).await, Pushed::Unread);
        body.end(Ok(()));
        assert_eq!(body.whole_body(), None);
    }
}
