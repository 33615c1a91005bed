//! The contract between the services: gRPC messages, clients and servers, and the transport that carries them.

pub mod fetch;
pub mod fields;
pub mod health;
pub mod tls;
pub mod transport;

/// edge ⇄ cache-node (`proto/cache.proto`).
#[allow(clippy::all, unreachable_pub, unused_qualifications, missing_docs)]
pub mod cache {
    tonic::include_proto!("weir.cache");
}

/// edge ⇄ wsgi-adapter (`proto/origin.proto`).
#[allow(clippy::all, unreachable_pub, unused_qualifications, missing_docs)]
pub mod origin {
    tonic::include_proto!("weir.origin");
}
