//! A request's body on its way to the adapter.

use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use weir_proto::fetch::BodyMessages;
use weir_proto::joiners::Joiners;
use weir_proto::origin::{End, FetchRequest, Joiner, fetch_request};

use crate::request::body::{BodyFault, RequestBody};

/// A request's body on its way to the adapter.
pub(super) enum Upload {
    /// Whoever takes it has the body: the connection, to send it, or the caller, to retry elsewhere.
    Unread(Arc<Mutex<Option<RequestBody>>>),
    Reading(RequestBody),
}

/// The end of a body that is empty.
pub(super) fn nothing() -> BodyMessages {
    Box::pin(stream::iter([FetchRequest { message: Some(fetch_request::Message::End(End {})) }]))
}

/// What follows the head, and then who joins, as long as the sender lives that is returned.
pub(super) fn with_joiners(
    rest: BodyMessages,
    joiners: Option<&Joiners>,
) -> (BodyMessages, Option<oneshot::Sender<()>>) {
    let Some(joiners) = joiners else { return (rest, None) };
    let (sender, until) = oneshot::channel();
    let joined = stream::unfold((joiners.news(), until), |(mut news, mut until)| async move {
        tokio::select! {
            biased;
            _ = &mut until => None,
            client = news.next() => {
                let joined = fetch_request::Message::Joined(Joiner { client: client.to_string() });
                Some((FetchRequest { message: Some(joined) }, (news, until)))
            }
        }
    });
    (Box::pin(rest.chain(joined)), Some(sender))
}

/// Sends body chunks and the end, then drops `sending`. A body that breaks off ends the stream without `end`,
/// so the adapter never takes it for complete.
pub(super) fn rest(
    upload: Upload,
    fault: Arc<OnceLock<BodyFault>>,
    sending: Option<oneshot::Sender<()>>,
) -> BodyMessages {
    Box::pin(stream::unfold(Some((upload, sending, fault)), |left| async move {
        let (upload, sending, fault) = left?;
        let mut body = match upload {
            Upload::Unread(unread) => unread.lock().take()?,
            Upload::Reading(body) => body,
        };
        let (message, left) = match body.next().await {
            Some(Ok(chunk)) => {
                (fetch_request::Message::Chunk(chunk), Some((Upload::Reading(body), sending, fault)))
            }
            Some(Err(broken)) => {
                let _ = fault.set(broken);
                return None;
            }
            None => (fetch_request::Message::End(End {}), None),
        };
        Some((FetchRequest { message: Some(message) }, left))
    }))
}
