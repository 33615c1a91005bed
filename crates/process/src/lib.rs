//! What any of our processes does, mechanism only: load settings, log and trace, listen, shut down. Knows no
//! HTTP, gRPC or Redis.

#[cfg(feature = "jemalloc")]
mod allocator;
pub mod client_key;
pub mod control;
pub mod directory;
pub mod handover;
mod host;
pub mod least_rate;
pub mod legacy;
pub mod listen;
pub mod nofile;
pub mod program;
pub mod reload;
pub mod repeated;
pub mod room;
mod service_manager;
pub mod settings;
pub mod shutdown;
pub mod signals;
pub mod telemetry;
pub mod trace;
pub mod units;
pub mod wait;
pub mod watch;

pub use host::host_name;
