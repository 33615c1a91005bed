//! One stream: what was received of it, what is to be sent, and how far both directions are (RFC 9113
//! section 5.1).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::error::ErrorCode;
use crate::settings::MAX_WINDOW;

/// Whoever waits for a stream.
pub trait Waiters: Default {
    /// There is more to read, or there will be nothing more.
    fn may_read(&mut self);
    /// There is more room to write, or there will be none.
    fn may_write(&mut self);
}

/// The stream was reset, or its connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostStream;

/// What there is to read of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyProgress {
    Data(Bytes),
    Pending,
    End,
    /// Its length is not what its head says, or its trailers are none.
    Malformed,
    Reset,
}

/// What a sender may send before the receiver has taken it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendWindow {
    /// Less than nothing if SETTINGS have made it smaller (section 6.9.2).
    pub(crate) size: i64,
    /// What is promised to writers, or waits to be sent.
    pub(crate) reserved: usize,
}

impl SendWindow {
    pub(crate) fn new(size: u32) -> Self {
        Self { size: i64::from(size), reserved: 0 }
    }

    /// What nobody has claimed.
    pub(crate) fn free(&self) -> usize {
        let reserved = i64::try_from(self.reserved).unwrap_or(i64::MAX);
        usize::try_from(self.size.saturating_sub(reserved)).unwrap_or(0)
    }

    /// What may be sent at once.
    pub(crate) fn sendable(&self) -> usize {
        usize::try_from(self.size).unwrap_or(0)
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.size -= i64::try_from(bytes).unwrap_or(0);
        self.reserved -= bytes.min(self.reserved);
    }

    /// Section 6.9.1: "A sender MUST NOT allow a flow-control window to exceed 2^31-1 octets." `None`: it
    /// would.
    pub(crate) fn grow(&mut self, by: i64) -> Option<()> {
        let size = self.size + by;
        (size <= i64::from(MAX_WINDOW)).then(|| self.size = size)
    }
}

/// What we let the client send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveWindow {
    whole: u32,
    left: u32,
    /// What was taken, and is not announced yet.
    released: u32,
}

impl ReceiveWindow {
    pub(crate) fn new(whole: u32) -> Self {
        Self { whole, left: whole, released: 0 }
    }

    /// `None`: the client sends more than it may.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(u32::try_from(bytes).ok()?)?;
        Some(())
    }

    /// The increment to announce: nothing before half of the window was used.
    pub(crate) fn release(&mut self, bytes: usize) -> Option<u32> {
        self.released = self.released.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.released == 0 || self.released < self.whole / 2 {
            return None;
        }
        self.left += self.released;
        Some(std::mem::take(&mut self.released))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceivePhase {
    Open,
    /// The client sends nothing more.
    Ended,
    /// The request is malformed; what comes is dropped, and the reply ends with RST_STREAM.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SendPhase {
    /// No head was sent, but perhaps interim ones.
    Idle,
    Begun,
    /// All that there will be waits to be sent.
    Ending,
    Ended,
}

pub(crate) struct Stream<W> {
    pub(crate) waiters: W,
    /// How many hold on to it.
    pub(crate) handles: u32,
    /// The code by which either side has reset it.
    pub(crate) reset: Option<ErrorCode>,
    /// It no longer counts as open.
    pub(crate) is_counted_out: bool,
    pub(crate) incoming: IncomingBody,
    pub(crate) outgoing: OutgoingBody,
}

pub(crate) struct IncomingBody {
    pub(crate) phase: ReceivePhase,
    pub(crate) received: BytesMut,
    pub(crate) window: ReceiveWindow,
    /// Content-Length.
    pub(crate) announced: Option<u64>,
    pub(crate) total: u64,
}

pub(crate) struct OutgoingBody {
    pub(crate) phase: SendPhase,
    pub(crate) queue: VecDeque<Bytes>,
    pub(crate) queued: usize,
    pub(crate) window: SendWindow,
    /// Room that a writer wants, and what of it it has got.
    pub(crate) wanted: usize,
    pub(crate) granted: usize,
    /// It stands in the line of streams that have something to send.
    pub(crate) is_ready: bool,
    /// It stands in the line of streams that wait for the connection's window.
    pub(crate) is_waiting: bool,
}

impl<W: Waiters> Stream<W> {
    pub(crate) fn new(has_body: bool, receive: u32, send: u32) -> Self {
        let phase = if has_body { ReceivePhase::Open } else { ReceivePhase::Ended };
        Self {
            waiters: W::default(),
            handles: 0,
            reset: None,
            is_counted_out: false,
            incoming: IncomingBody {
                phase,
                received: BytesMut::new(),
                window: ReceiveWindow::new(receive),
                announced: None,
                total: 0,
            },
            outgoing: OutgoingBody {
                phase: SendPhase::Idle,
                queue: VecDeque::new(),
                queued: 0,
                window: SendWindow::new(send),
                wanted: 0,
                granted: 0,
                is_ready: false,
                is_waiting: false,
            },
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        let is_over = self.incoming.phase == ReceivePhase::Ended && self.outgoing.phase == SendPhase::Ended;
        self.reset.is_some() || is_over
    }

    /// Wakes whoever waits.
    pub(crate) fn wake(&mut self) {
        self.waiters.may_read();
        self.waiters.may_write();
    }
}

impl OutgoingBody {
    /// Bytes of the connection's window that it holds.
    pub(crate) fn reserved(&self) -> usize {
        self.queued + self.granted
    }

    /// Something of it could be sent now.
    pub(crate) fn can_send(&self) -> bool {
        let is_last = self.queued == 0 && self.phase == SendPhase::Ending;
        is_last || (self.queued > 0 && self.window.sendable() > 0)
    }

    /// Something waits for the stream's window.
    pub(crate) fn is_stalled(&self) -> bool {
        self.queued > 0 && self.window.sendable() == 0
    }

    /// Takes the next bytes off the queue, in the pieces that they are in.
    pub(crate) fn take(&mut self, mut bytes: usize, mut each: impl FnMut(Bytes)) {
        self.queued -= bytes.min(self.queued);
        while bytes > 0
            && let Some(piece) = self.queue.front_mut()
        {
            if piece.len() > bytes {
                return each(piece.split_to(bytes));
            }
            bytes -= piece.len();
            each(std::mem::take(piece));
            self.queue.pop_front();
        }
    }
}
