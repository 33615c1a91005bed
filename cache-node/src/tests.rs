//! The node as a whole: over both transports, with real Redis servers.

pub(crate) mod redis_server;
