//! A page's body while it arrives: one fill writes it, and any number of requests read it from its beginning.
//! No chunk is copied.
//!
//! Up to `keep` bytes are kept completely, so that a reader may join at any time. A longer body becomes a
//! window, as does one for which all bodies together have no room: no more readers join, and the writer
//! follows the fastest of them. What the others have not read stays as long as there is room for it; then the
//! writer waits a while for those that go on reading. A reader that falls behind all the same is cut off.

mod reader;
mod readers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_cache::Reason;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::coding::copies::CodedCopies;
use crate::connection::bodies::{Bodies, BodyForm, BodyRoom};
pub(crate) use reader::Reader;

/// The fill broke off, or this reader fell behind: what was read is not the complete body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the page broke off while it was being filled")]
pub(crate) struct IncompleteBody;

/// How far a window's writer runs ahead of the fastest reader, in bytes.
const WINDOW: u64 = 256 * 1024;
/// The window where all bodies together have little room. Where they have none, nothing is read ahead.
const NARROW_WINDOW: u64 = 64 * 1024;
/// How far a reader of a window may be behind the writer, in bytes.
const BEHIND: u64 = 16 * 1024 * 1024;
/// A reader that has read nothing for this long is not waited for.
const STILL: Duration = Duration::from_secs(1);
/// How long the writer of one body waits in all for readers that would fall behind.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct SharedBody {
    state: Mutex<BodyState>,
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
struct BodyState {
    chunks: VecDeque<Bytes>,
    /// The number of chunks dropped from the front: chunk `dropped + i` is `chunks[i]`.
    dropped: usize,
    /// Bytes in the dropped chunks.
    gone: u64,
    length: u64,
    /// Bytes that it holds as a short page.
    short: u64,
    /// Only what its readers have not read is kept.
    window: bool,
    /// It is longer than may be kept.
    is_too_long: bool,
    end: Option<Result<(), IncompleteBody>>,
    /// Each reader's position. `None`: the reader left, or was cut off.
    readers: Vec<Option<ReaderPlace>>,
    /// Only the first reader may continue.
    first_only: bool,
    /// Only the first reader may begin before the body is complete.
    searched: bool,
    /// Whether the page is stored, or why it is not, as soon as that is known.
    fate: Option<Result<(), Reason>>,
    /// How long its writer has waited for those who would fall behind.
    waited: Duration,
}

/// Chunks and bytes read.
#[derive(Clone, Copy)]
struct ReaderPlace {
    chunk: usize,
    bytes: u64,
    /// When it read the last one.
    moved: Instant,
    first: bool,
    /// It has asked for more than there is.
    is_waiting: bool,
}

/// The result of pushing a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushResult {
    /// All chunks are kept until now.
    Kept,
    /// Longer than may be kept, or than there is room for: the beginning will be gone at the end.
    Window,
    /// Likewise, and nobody reads: stop.
    Unread,
}

impl SharedBody {
    pub(crate) fn new(keep: u64, bodies: &Arc<Bodies>) -> Arc<Self> {
        let (state, grown, read, bodies) = (Mutex::default(), Notify::new(), Notify::new(), bodies.clone());
        Arc::new(Self { state, grown, read, keep, bodies, coded: CodedCopies::default() })
    }

    /// Whether a body of this length may be read by several while it arrives, and none of them fall behind.
    pub(crate) fn is_for_several(length: u64) -> bool {
        length <= BEHIND
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

    /// Adds a chunk. Once the body is a window, waits for the fastest reader, and a while for those that
    /// would fall behind.
    pub(crate) async fn push(&self, chunk: Bytes) -> PushResult {
        let added = chunk.len() as u64;
        loop {
            let now = Instant::now();
            let mut until = None;
            let room = self.read.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut state = self.state.lock();
                let length = state.length.saturating_add(added);
                let form = self.bodies.form_of(length, added);
                if !state.window && length <= self.keep && form != BodyForm::Window {
                    if form == BodyForm::Short {
                        self.bodies.add_short(added);
                        state.short += added;
                    }
                    self.add(&mut state, chunk);
                    self.grown.notify_waiters();
                    return PushResult::Kept;
                }
                self.narrow(&mut state, length);
                let Some(fastest) = state.fastest() else { return PushResult::Unread };
                let ahead = self.window(added);
                if state.length.saturating_sub(fastest.bytes) <= ahead {
                    until = state.waits_for_others(fastest.chunk, self.behind(), added, now);
                    if until.is_none() {
                        self.add(&mut state, chunk);
                        self.drop_read(&mut state);
                        self.grown.notify_waiters();
                        return PushResult::Window;
                    }
                }
            }
            match until {
                None => room.await,
                Some(until) => {
                    let _ = timeout_at(until, room).await;
                    self.state.lock().waited += now.elapsed();
                }
            }
        }
    }

    /// Whether a chunk of this length can be kept with all before it. If not, the body is a window from now
    /// on: that is known before a reader has made room for the chunk.
    pub(crate) fn keeps(&self, added: u64) -> bool {
        let mut state = self.state.lock();
        if state.window {
            return false;
        }
        let length = state.length.saturating_add(added);
        let is_kept = length <= self.keep && self.bodies.form_of(length, added) != BodyForm::Window;
        if !is_kept {
            self.narrow(&mut state, length);
        }
        is_kept
    }

    /// Whether nothing more is read before a reader wants it. The body is a window then.
    pub(crate) fn waits_for_readers(&self) -> bool {
        self.bodies.room(0) == BodyRoom::None && !self.keeps(1)
    }

    /// Makes it a window: only what its readers have not read is kept. `length`: what it comes to.
    fn narrow(&self, state: &mut BodyState, length: u64) {
        state.window = true;
        state.is_too_long |= length > self.keep;
        self.bodies.remove_short(std::mem::take(&mut state.short));
        if state.searched && !state.first_only {
            // Nobody will know in time whether others may read it: they have not begun.
            state.keep_for_first();
            self.grown.notify_waiters();
        }
    }

    /// Resolves when the next chunk may be read: bodies have room for it, or a short page has, a reader waits
    /// for it, or there is no reader to wait for.
    pub(crate) async fn wanted(&self) {
        loop {
            let read = self.read.notified();
            tokio::pin!(read);
            read.as_mut().enable();
            if self.bodies.room(0) != BodyRoom::None {
                return;
            }
            {
                let state = self.state.lock();
                // Whoever waits for a short page elsewhere is no reader here.
                let is_short = !state.window && self.bodies.form_of(state.length + 1, 1) == BodyForm::Short;
                // Others wait until it is known whether they may read it: that is decided at the next chunk.
                let is_undecided = state.searched && !state.first_only;
                if is_short || is_undecided || state.has_nobody_to_wait_for() {
                    return;
                }
            }
            read.await;
        }
    }

    /// How far the writer may be ahead of the fastest reader.
    fn window(&self, added: u64) -> u64 {
        match self.bodies.room(added) {
            BodyRoom::Ample => WINDOW,
            BodyRoom::Scarce => NARROW_WINDOW,
            BodyRoom::None => 0,
        }
    }

    /// How far the writer may be ahead of the slowest reader of a window.
    fn behind(&self) -> u64 {
        match self.window(0) {
            WINDOW => self.keep.max(BEHIND),
            narrow => narrow,
        }
    }

    /// It is known now whether the page is stored.
    pub(crate) fn decide(&self, fate: Result<(), Reason>) {
        self.state.lock().fate = Some(fate);
        self.grown.notify_waiters();
    }

    /// Ends the body: complete, or broken off.
    pub(crate) fn end(&self, how: Result<(), IncompleteBody>) {
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
        let place = ReaderPlace { chunk: 0, bytes: 0, moved: Instant::now(), first, is_waiting: false };
        let free = state.readers.iter().position(Option::is_none);
        let seat = free.unwrap_or(state.readers.len());
        match state.readers.get_mut(seat) {
            Some(free) => *free = Some(place),
            None => state.readers.push(Some(place)),
        }
        drop(state);
        Some(Reader { body: self.clone(), seat, place })
    }

    /// Whether it is longer than may be kept, however much room there is.
    pub(crate) fn is_too_long(&self) -> bool {
        self.state.lock().is_too_long
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
        if state.end == Some(Err(IncompleteBody)) || state.window || length > self.keep {
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

    fn add(&self, state: &mut BodyState, chunk: Bytes) {
        self.bodies.add(chunk.len() as u64);
        state.length += chunk.len() as u64;
        state.chunks.push_back(chunk);
    }

    /// Drops what all readers of a window have read. It also drops what some have not read, if that is more
    /// than a body may hold: those readers are cut off.
    fn drop_read(&self, state: &mut BodyState) {
        let slowest = state.readers.iter().flatten().map(|place| place.chunk).min().unwrap_or(usize::MAX);
        let most = self.behind();
        // What the fastest is to read next stays, however long it is.
        let next = state.fastest().map_or(0, |fastest| fastest.chunk);
        while state.dropped < next && (state.dropped < slowest || state.length - state.gone > most) {
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

impl Drop for SharedBody {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        self.bodies.remove(state.length - state.gone);
        self.bodies.remove_short(state.short);
    }
}

#[cfg(test)]
mod tests;
