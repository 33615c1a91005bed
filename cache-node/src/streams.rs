//! Streams that are open on this node: bounded, and waited for at the end of a drain, after which there are
//! no more.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::Refusal;

/// Counts the open streams.
pub(crate) struct Streams {
    state: watch::Sender<StreamsState>,
    max: usize,
}

#[derive(Default)]
struct StreamsState {
    open: usize,
    closed: bool,
}

/// One open stream; closed when dropped.
pub(crate) struct OpenStream(Arc<Streams>);

impl Streams {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { state: watch::Sender::new(StreamsState::default()), max })
    }

    /// Opens a stream, unless as many as the settings allow are open, or there shall be no more.
    pub(crate) fn open(self: &Arc<Self>) -> Result<OpenStream, Refusal> {
        let mut refusal = None;
        self.state.send_if_modified(|state| {
            refusal = match state {
                StreamsState { closed: true, .. } => Some(Refusal::Leaving),
                StreamsState { open, .. } if *open >= self.max => Some(Refusal::TooManyStreams(self.max)),
                _ => None,
            };
            state.open += usize::from(refusal.is_none());
            refusal.is_none()
        });
        refusal.map_or_else(|| Ok(OpenStream(self.clone())), Err)
    }

    /// Waits until no stream is open. From that moment on none is opened any more.
    pub(crate) async fn close(&self) {
        let mut changes = self.state.subscribe();
        let close = |state: &mut StreamsState| {
            state.closed = state.open == 0;
            state.closed
        };
        while !self.state.send_if_modified(close) {
            // An error would mean that `self` is gone.
            let _ = changes.changed().await;
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn open_streams_are_bounded_and_waited_for_and_then_there_are_no_more() {
        let streams = Streams::new(2);
        let (one, two) = (streams.open().unwrap(), streams.open().unwrap());
        assert!(matches!(streams.open(), Err(Refusal::TooManyStreams(2))));
        drop(one);
        assert!(streams.close().now_or_never().is_none());
        // What comes while others are open is served.
        let three = streams.open().unwrap();
        drop((two, three));
        assert!(streams.close().now_or_never().is_some());
        assert!(matches!(streams.open(), Err(Refusal::Leaving)));
    }
}
