//! Streams that are open on this node: bounded, and waited for at the end of a drain.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts the open streams.
pub(crate) struct Streams {
    open: watch::Sender<usize>,
    max: usize,
}

/// One open stream; closed when dropped.
pub(crate) struct OpenStream(Arc<Streams>);

impl Streams {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: watch::Sender::new(0), max })
    }

    /// Opens a stream. `None`: as many as the settings allow are open.
    pub(crate) fn open(self: &Arc<Self>) -> Option<OpenStream> {
        let opened = self.open.send_if_modified(|open| {
            let free = *open < self.max;
            *open += usize::from(free);
            free
        });
        opened.then(|| OpenStream(self.clone()))
    }

    /// Resolves when no stream is open.
    pub(crate) async fn all_closed(&self) {
        // An error would mean that `self` is gone.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn open_streams_are_bounded_and_waited_for() {
        let streams = Streams::new(2);
        let (one, two) = (streams.open(), streams.open());
        assert!(one.is_some() && two.is_some() && streams.open().is_none());
        drop(one);
        assert!(streams.all_closed().now_or_never().is_none());
        drop(two);
        assert!(streams.all_closed().now_or_never().is_some());
        assert!(streams.open().is_some());
    }
}
