//! The contract between the services: gRPC messages, clients and servers, and the transport that carries
//! them.

pub mod fetch;
pub mod fields;
pub mod health;
pub mod joiners;
pub mod link;
pub mod passes;
pub mod plain;
pub mod tls;
pub mod transport;

// Generated from `proto/*.proto` by the test `generated`, and formatted by its generator.
#[rustfmt::skip]
#[allow(clippy::all, clippy::too_many_lines, unreachable_pub, unused_qualifications, missing_docs)]
pub mod cache;
#[rustfmt::skip]
#[allow(clippy::all, clippy::too_many_lines, unreachable_pub, unused_qualifications, missing_docs)]
pub mod origin;
