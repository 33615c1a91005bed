//! A connection's bytes, TLS or not, and the time it takes.

pub(crate) mod clock;
pub(crate) mod stream;
pub(crate) mod watchdog;
