//! The node as a whole: over both transports, with real Redis servers.

mod cluster;
mod exchange;
mod leases;
mod limits;
mod measured;
mod peer;
mod purges;
mod purges_shared;
mod redis_changes;
mod redis_faults;
mod redis_kinds;
mod redis_lost;
pub(crate) mod redis_server;
mod secrets;
mod shared_limits;
