//! The result of sending a reply to the client.

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// Bytes of the head; over HTTP/2 those that HTTP/1 would need for the same fields.
    pub(crate) head: u64,
    /// Bytes of the body, without framing.
    pub(crate) body: u64,
    /// The reply was sent completely, and its framing leaves the connection usable.
    pub(crate) reusable: bool,
    /// The reply broke off; its framing shows this when the connection ends.
    pub(crate) broken: bool,
    /// It broke off and only a reset shows that: its body continues until the connection closes.
    pub(crate) must_reset: bool,
}
