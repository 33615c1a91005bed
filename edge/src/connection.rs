//! A connection's bytes, with or without TLS, and its clock, pace and deadlines.

pub(crate) mod bodies;
pub(crate) mod client_check;
pub(crate) mod client_socket;
pub(crate) mod client_variables;
pub(crate) mod clock;
pub(crate) mod distinguished_name;
pub(crate) mod pace;
pub(crate) mod proxied;
pub(crate) mod stream;
pub(crate) mod tls_session;
pub(crate) mod tls_stream;
pub(crate) mod unix_client;
pub(crate) mod watchdog;
