//! What became of a reply on its way to the client.

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Bytes of the body, framing aside.
    pub(crate) body: u64,
    /// The reply was sent whole, and its framing leaves the connection usable.
    pub(crate) reusable: bool,
    /// The reply broke off, which its framing shows when the connection ends.
    pub(crate) broken: bool,
    /// It broke off where only a reset shows that: a body that goes on until the connection is closed.
    pub(crate) must_reset: bool,
}
