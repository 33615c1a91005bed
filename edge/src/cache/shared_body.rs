//! A page's body while it arrives: one fill writes it, and any number of requests read it from its beginning.
//! No chunk is copied.
//!
//! Up to `keep` bytes are kept completely, so that a reader may join at any time. A longer body becomes a
//! window, as does one for which all bodies together have no room: no more readers join, and the writer
//! follows the fastest of them, so that a reader that reads nothing delays no other. A reader that falls
//! behind the window is cut off.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::bodies::Bodies;
use crate::coding::copies::CodedCopies;

/// The fill broke off, or this reader fell behind: what was read is not the complete body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the page broke off while it was being filled")]
pub(crate) struct BrokenOff;

/// How far a window's writer runs ahead of the fastest reader, in bytes.
const WINDOW: u64 = 256 * 1024;
/// The window where all bodies together have no room.
const NARROW_WINDOW: u64 = 64 * 1024;

pub(crate) struct Growing {
    state: Mutex<State>,
    /// Readers wait here for more chunks.
    grown: Notify,
    /// The writer of a window waits here for room.
    read: Notify,
    keep: u64,
    bodies: Arc<Bodies>,
    /// Copies of the complete body in content codings.
    coded: CodedCopies,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    /// The number of chunks dropped from the front: chunk `dropped + i` is `chunks[i]`.
    dropped: usize,
    /// Bytes in the dropped chunks.
    gone: u64,
    length: u64,
    /// Longer than may be kept.
    window: bool,
    end: Option<Result<(), BrokenOff>>,
    /// Each reader's position. `None`: the reader left, or was cut off.
    readers: Vec<Option<Place>>,
    /// Only the first reader may continue.
    first_only: bool,
    /// Only the first reader may begin before the body is complete.
    searched: bool,
}

/// Chunks and bytes read.
#[derive(Clone, Copy, Default)]
struct Place {
    chunk: usize,
    bytes: u64,
    first: bool,
}

/// The result of pushing a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// All chunks are kept until now.
    Kept,
    /// Longer than may be kept: the beginning will be gone at the end.
    Window,
    /// Longer than may be kept, and nobody reads: stop.
    Unread,
}

impl Growing {
    pub(crate) fn new(keep: u64, bodies: &Arc<Bodies>) -> Arc<Self> {
        let (state, grown, read, bodies) = (Mutex::default(), Notify::new(), Notify::new(), bodies.clone());
        Arc::new(Self { state, grown, read, keep, bodies, coded: CodedCopies::default() })
    }

    /// A body that is complete already, in a page that is kept.
    pub(crate) fn whole(body: Bytes) -> Arc<Self> {
        let growing = Self::new(u64::MAX, &Bodies::new(u64::MAX));
        {
            let mut state = growing.state.lock();
            growing.add(&mut state, body);
            state.end = Some(Ok(()));
        }
        growing
    }

    /// Holds all but the first reader back until the body is complete: it is searched for what is one
    /// visitor's own.
    pub(crate) fn hold_followers(&self) {
        self.state.lock().searched = true;
    }

    /// Whether followers wait for its end.
    pub(crate) fn holds_followers(&self) -> bool {
        self.state.lock().searched
    }

    /// Adds a chunk. Once the body is a window, waits for the fastest reader.
    pub(crate) async fn push(&self, chunk: Bytes) -> Pushed {
        let added = chunk.len() as u64;
        loop {
            let room = self.read.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut state = self.state.lock();
                let whole = state.length.saturating_add(added) <= self.keep;
                if !state.window && whole && self.bodies.have_room(added) {
                    self.add(&mut state, chunk);
                    self.grown.notify_waiters();
                    return Pushed::Kept;
                }
                state.window = true;
                if state.searched && !state.first_only {
                    // Nobody will know in time whether others may read it: they have not begun.
                    state.keep_for_first();
                    self.grown.notify_waiters();
                }
                let Some(fastest) = state.fastest() else { return Pushed::Unread };
                let ahead = if self.bodies.have_room(added) { WINDOW } else { NARROW_WINDOW };
                if state.length.saturating_sub(fastest.bytes) <= ahead {
                    self.add(&mut state, chunk);
                    self.drop_read(&mut state);
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
        self.state.lock().keep_for_first();
        self.grown.notify_waiters();
    }

    /// The reader of the request for which the page is made, from the first byte.
    pub(crate) fn first_reader(self: &Arc<Self>) -> Option<Reader> {
        self.seat(true)
    }

    /// A reader from the first byte. `None` after the beginning is gone.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        self.seat(false)
    }

    fn seat(self: &Arc<Self>, first: bool) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.window || (state.first_only && !first) {
            return None;
        }
        let place = Place { first, ..Place::default() };
        let free = state.readers.iter().position(Option::is_none);
        let seat = free.unwrap_or(state.readers.len());
        match state.readers.get_mut(seat) {
            Some(free) => *free = Some(place),
            None => state.readers.push(Some(place)),
        }
        drop(state);
        Some(Reader { body: self.clone(), seat, place })
    }

    /// The body in one piece, if it did not break off and all of it was kept. The caller has pushed all of
    /// it.
    pub(crate) fn whole_body(&self) -> Option<Bytes> {
        self.in_one_piece(None)
    }

    /// What `whole_body` gives once this chunk, the last one, is pushed.
    pub(crate) fn whole_with(&self, last: &Bytes) -> Option<Bytes> {
        self.in_one_piece(Some(last))
    }

    fn in_one_piece(&self, last: Option<&Bytes>) -> Option<Bytes> {
        let state = self.state.lock();
        let length = state.length + last.map_or(0, |last| last.len() as u64);
        if state.end == Some(Err(BrokenOff)) || state.window || length > self.keep {
            return None;
        }
        let mut chunks = state.chunks.iter().chain(last);
        match (chunks.next(), chunks.next()) {
            (None, _) => return Some(Bytes::new()),
            (Some(only), None) => return Some(only.clone()),
            _ => {}
        }
        let mut body = BytesMut::with_capacity(length as usize);
        state.chunks.iter().chain(last).for_each(|chunk| body.extend_from_slice(chunk));
        Some(body.freeze())
    }

    pub(crate) fn coded(&self) -> &CodedCopies {
        &self.coded
    }

    fn add(&self, state: &mut State, chunk: Bytes) {
        self.bodies.add(chunk.len() as u64);
        state.length += chunk.len() as u64;
        state.chunks.push_back(chunk);
    }

    /// Drops what all readers of a window have read. It also drops what some have not read, if that is more
    /// than a body may hold: those readers are cut off.
    fn drop_read(&self, state: &mut State) {
        let slowest = state.readers.iter().flatten().map(|place| place.chunk).min().unwrap_or(usize::MAX);
        let most = if self.bodies.have_room(0) { self.keep.max(WINDOW) } else { NARROW_WINDOW };
        let fastest = state.fastest().unwrap_or_default();
        while state.dropped < slowest || state.length - state.gone > most {
            // What the fastest is to read next stays, however long it is.
            if state.dropped >= fastest.chunk {
                break;
            }
            let Some(chunk) = state.chunks.pop_front() else { break };
            state.dropped += 1;
            state.gone += chunk.len() as u64;
            self.bodies.remove(chunk.len() as u64);
        }
        let dropped = state.dropped;
        for place in &mut state.readers {
            place.take_if(|place| place.chunk < dropped);
        }
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        self.bodies.remove(state.length - state.gone);
    }
}

impl State {
    fn fastest(&self) -> Option<Place> {
        self.readers.iter().flatten().max_by_key(|place| place.chunk).copied()
    }

    fn keep_for_first(&mut self) {
        self.first_only = true;
        for place in &mut self.readers {
            place.take_if(|place| !place.first);
        }
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
                if self.is_cut_off(&state) {
                    return Some(Err(BrokenOff));
                }
                if self.may_begin(&state)
                    && let Some(chunk) = state.chunks.get(self.place.chunk - state.dropped).cloned()
                {
                    self.place.chunk += 1;
                    self.place.bytes += chunk.len() as u64;
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
            }
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
                let state = self.body.state.lock();
                if self.is_cut_off(&state) || matches!(state.end, Some(Err(_))) {
                    return false;
                }
                if state.end.is_some() || (state.length > 0 && self.may_begin(&state)) {
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
    pub(crate) fn complete(&self) -> Option<Arc<Growing>> {
        let state = self.body.state.lock();
        let complete = state.end == Some(Ok(())) && !state.window && self.place.chunk == 0;
        complete.then(|| self.body.clone())
    }

    /// Nothing is left of its place: it fell behind, or the page is another's own.
    fn is_cut_off(&self, state: &State) -> bool {
        state.first_only && !self.place.first || self.place.chunk < state.dropped
    }

    fn may_begin(&self, state: &State) -> bool {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn new(keep: u64) -> Arc<Growing> {
        Growing::new(keep, &Bodies::new(u64::MAX))
    }

    async fn read_all(mut reader: Reader) -> Result<Vec<u8>, BrokenOff> {
        let mut all = Vec::new();
        while let Some(chunk) = reader.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn early_and_late_readers_get_the_same_whole_body() {
        let body = new(1000);
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
        let body = new(1000);
        let reader = body.reader().unwrap();
        body.push("half".into()).await;
        body.end(Err(BrokenOff));
        body.end(Ok(()));
        assert_eq!(read_all(reader).await, Err(BrokenOff));
        assert_eq!(body.whole_body(), None);
    }

    #[tokio::test]
    async fn a_page_of_the_first_readers_own_breaks_off_for_the_others() {
        let body = new(1000);
        let (first, mut second) = (body.first_reader().unwrap(), body.reader().unwrap());
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
    async fn nobody_but_the_first_begins_a_page_that_is_searched() {
        for secret in [false, true] {
            let body = new(1000);
            body.hold_followers();
            let (mut first, mut second) = (body.first_reader().unwrap(), body.reader().unwrap());
            body.push("a page ".into()).await;
            assert_eq!(first.next().await, Some(Ok("a page ".into())));
            let soon = Duration::from_millis(20);
            assert!(tokio::time::timeout(soon, second.begun()).await.is_err());
            assert!(tokio::time::timeout(soon, second.next()).await.is_err());
            if secret {
                body.keep_for_first();
            }
            body.push("to its end".into()).await;
            body.end(Ok(()));
            assert_eq!(second.begun().await, !secret);
            let whole = if secret { Err(BrokenOff) } else { Ok(b"a page to its end".to_vec()) };
            assert_eq!(read_all(second).await, whole);
            assert_eq!(read_all(first).await.unwrap(), b"to its end");
        }
    }

    #[tokio::test]
    async fn a_searched_page_that_is_not_kept_is_the_firsts_alone() {
        let body = new(10);
        body.hold_followers();
        let (first, mut second) = (body.first_reader().unwrap(), body.reader().unwrap());
        body.push("0123456789".into()).await;
        let reading = tokio::spawn(read_all(first));
        assert_eq!(body.push("more".into()).await, Pushed::Window);
        assert!(!second.begun().await);
        body.end(Ok(()));
        assert_eq!(reading.await.unwrap().unwrap(), b"0123456789more");
    }

    #[tokio::test]
    async fn a_seat_that_was_the_firsts_is_not_the_next_ones() {
        let body = new(1000);
        drop(body.first_reader().unwrap());
        let mut next = body.reader().unwrap();
        body.push("head ".into()).await;
        body.keep_for_first();
        assert_eq!(next.next().await, Some(Err(BrokenOff)));
    }

    #[tokio::test]
    async fn a_long_body_follows_the_fastest_and_cuts_off_who_falls_behind() {
        let body = new(10);
        let (mut fast, mut slow) = (body.reader().unwrap(), body.reader().unwrap());
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let mut pushed = 0;
        while tokio::time::timeout(Duration::from_millis(20), body.push(chunk.clone())).await.is_ok() {
            pushed += 1;
        }
        assert!((4..=6).contains(&pushed), "window of {WINDOW} took {pushed} chunks");
        assert!(body.reader().is_none(), "nobody joins a window");
        assert_eq!(slow.next().await, Some(Ok(chunk.clone())));
        for _ in 0..20 {
            fast.next().await.unwrap().unwrap();
            assert_eq!(body.push(chunk.clone()).await, Pushed::Window);
        }
        let held = body.bodies.held();
        assert!(held <= WINDOW + 2 * chunk.len() as u64, "{held} bytes are held for who does not read");
        assert_eq!(slow.next().await, Some(Err(BrokenOff)));
        drop((fast, slow));
        assert_eq!(body.push(chunk).await, Pushed::Unread);
        body.end(Ok(()));
        assert_eq!(body.whole_body(), None);
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let bodies = Bodies::new(10 * chunk.len() as u64);
        let mut all = Vec::new();
        for _ in 0..20 {
            let body = Growing::new(16 << 20, &bodies);
            let reader = body.reader().unwrap();
            for _ in 0..40 {
                if tokio::time::timeout(Duration::from_millis(2), body.push(chunk.clone())).await.is_err() {
                    break;
                }
            }
            all.push((body, reader));
        }
        let held = bodies.held() / chunk.len() as u64;
        assert!(held <= 10 + 20 * 2, "{held} chunks are held, where 10 may be");
        // Each goes on as it is read, and gives back what it held.
        for (body, mut reader) in all {
            let reading = tokio::spawn(async move { while let Some(Ok(_)) = reader.next().await {} });
            for _ in 0..10 {
                body.push(chunk.clone()).await;
            }
            body.end(Ok(()));
            reading.await.unwrap();
        }
        assert_eq!(bodies.held(), 0);
    }
}
