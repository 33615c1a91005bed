//! edge terminates HTTP: chooses site and location, answers from file and cache, passes on the rest. Knows no Redis, no uwsgi.

mod admin;
mod application;
mod cache;
mod cache_node;
mod connection;
mod edge;
mod explain;
mod files;
mod handler;
mod http1;
mod http2;
mod listen;
mod log;
mod metrics;
mod peers;
mod purge;
mod purge_log;
mod reply;
mod request;
mod route;
mod serve;
pub mod settings;
mod tls;

pub use ::admin::healthcheck;
pub use edge::{Edge, StartError, check};
pub use listen::listeners::Listeners;
pub use peers::{CacheNodes, Peers, WsgiAdapters};
pub use serve::run;
pub use settings::Config;
