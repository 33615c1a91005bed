//! How many bodies a pool receives at once, all together and of one client, and who waits for leave.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use process::wait::within;
use tokio::sync::{Notify, SemaphorePermit};
use weir_proto::origin::RequestHead;

use super::clients::{Holder, Resource};
use super::{ClientHold, Pool, slot_request};
use crate::error::PoolFull;

impl Pool {
    /// Leave to go on receiving a body, as long as it is held. Where as many are being received as may be,
    /// all together or of this client, it waits as for a server.
    pub(crate) async fn upload(&self, head: &RequestHead) -> Result<UploadPermit<'_>, PoolFull> {
        let holder = slot_request::holder(head);
        let leave = self.may_upload(holder);
        if leave.is_ok() {
            return leave;
        }
        let _waiting = self.hold(holder, Resource::Waiting).ok_or(PoolFull::Client)?;
        let queue = &self.config.queue;
        if self.waiting_uploads.fetch_add(1, Ordering::Relaxed) >= queue.length {
            self.waiting_uploads.fetch_sub(1, Ordering::Relaxed);
            return Err(PoolFull::Uploads);
        }
        let _counted = WaitingUpload(&self.waiting_uploads);
        let leave = async {
            loop {
                let mut ended = pin!(self.upload_ended.notified());
                // Whatever ends from here on wakes it.
                ended.as_mut().enable();
                if let Ok(leave) = self.may_upload(holder) {
                    return leave;
                }
                ended.await;
            }
        };
        match within(queue.timeout.0, leave).await {
            Ok(leave) => Ok(leave),
            Err(_) => self.may_upload(holder),
        }
    }

    fn may_upload(&self, holder: Option<Holder>) -> Result<UploadPermit<'_>, PoolFull> {
        let held = self.hold(holder, Resource::Upload).ok_or(PoolFull::Client)?;
        let permit = self.uploads.try_acquire().map_err(|_| PoolFull::Uploads)?;
        Ok(UploadPermit { _held: held, _permit: permit, _ended: EndNotice(&self.upload_ended) })
    }
}

/// Leave to receive a body.
#[derive(Debug)]
pub(crate) struct UploadPermit<'a> {
    _held: ClientHold<'a>,
    _permit: SemaphorePermit<'a>,
    /// The last to be dropped: those who wait find a place.
    _ended: EndNotice<'a>,
}

#[derive(Debug)]
struct EndNotice<'a>(&'a Notify);

impl Drop for EndNotice<'_> {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

/// A request that waits for leave to send its body, as long as it lives.
struct WaitingUpload<'a>(&'a AtomicUsize);

impl Drop for WaitingUpload<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
