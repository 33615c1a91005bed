//! What came of one request.

use crate::reply::Reply;
use crate::reply::delivery::Delivery;

pub(super) struct ExchangeResult {
    pub(super) sent: Delivery,
    pub(super) reply: Reply,
    /// The request's body was read completely: what follows on the connection is the next request.
    pub(super) body_read: bool,
}

impl ExchangeResult {
    /// One whose request had no body.
    pub(super) fn without_body((sent, reply): (Delivery, Reply)) -> Self {
        Self { sent, reply, body_read: true }
    }

    /// One after which the connection is of no further use: where its next request would begin is not known.
    pub(super) fn to_the_end((sent, reply): (Delivery, Reply)) -> Self {
        Self { sent, reply, body_read: false }
    }
}
