//! The edge terminates HTTP: it chooses site and location, answers from files and cache, and forwards the
//! rest. It does not know Redis or uwsgi.
//!
//! The modules are rooms, in the order of ARCHITECTURE.md: a room imports only rooms below it.

mod access;
mod acme;
mod admin;
mod application;
mod cache;
mod cache_node;
mod coding;
mod connection;
mod edge;
mod explain;
mod fields;
mod files;
mod handler;
mod http1;
mod http2;
mod limit;
mod listen;
mod log;
mod metrics;
mod peers;
pub mod program;
mod purge;
mod purge_log;
mod reply;
mod request;
mod route;
mod serve;
pub mod settings;
mod tls;
pub mod variables;

#[doc(hidden)]
pub use crate::http2::head::fuzzed::read_twin;
#[doc(hidden)]
pub use crate::purge::target::fuzzed::name_pages;
pub use ::admin::healthcheck;
#[doc(hidden)]
pub use access::htpasswd::fuzzed::read_passwords;
pub use acme::check::check_state;
#[doc(hidden)]
pub use coding::gunzip::fuzzed::decompress;
#[doc(hidden)]
pub use connection::distinguished_name::fuzzed::read_name;
pub use edge::{Edge, StartError, check};
pub use listen::listeners::Listeners;
#[doc(hidden)]
pub use listen::proxy_protocol::fuzzed::read_proxy_header;
pub use peers::{CacheNodes, Peers, WsgiAdapters};
#[doc(hidden)]
pub use request::forwarded::fuzzed::settle_forwarded;
pub use serve::run;
pub use serve::{EdgeServer, FIXED, ReloadPlan};
pub use settings::Config;
pub use tls::expiry::{CertificateEnd, certificate_ends};
