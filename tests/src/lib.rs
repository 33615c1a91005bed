//! What the end-to-end tests stand on: real peers on free ports, the product in both topologies, a client
//! that controls every byte.
//!
//! Nothing here is a mock: uWSGI, Redis and the product are processes, stopped when dropped, whose logs are
//! shown when a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used)] // whatever goes wrong here has to fail the test

mod app_server;
mod binaries;
mod browser;
mod certificate;
mod client;
mod cluster;
mod demo;
mod dns;
mod fake_app;
pub mod faketime;
mod fault_proxy;
mod http2;
mod load;
mod nginx;
mod oracle;
mod patience;
mod pebble;
mod ports;
mod process;
mod program;
mod redis;
mod response;
mod settings;
mod setup;
mod stack;
mod twin;
mod uwsgi;

pub use app_server::AppServer;
pub use binaries::binary;
pub use browser::browse;
pub use certificate::Certificate;
pub use client::Client;
pub use cluster::{Cluster, Edge as ClusterEdge};
pub use demo::Demo;
pub use dns::Dns;
pub use fake_app::FakeApp;
pub use fault_proxy::{FaultProxy, NetworkFault};
pub use http2::{Http2, frame, head_block};
pub use load::Load;
pub use nginx::{Nginx, NginxCommand};
pub use oracle::Oracle;
pub use patience::{PATIENCE, once_measured_within, once_within, until};
pub use pebble::Pebble;
pub use ports::free_port;
pub use process::Process;
pub use program::repository;
pub use redis::{Redis, RedisCluster, RedisSentinels, Reply, Sentinel, TlsFiles};
pub use response::{Fields, Response};
pub use settings::{Location, Pool, Settings, site};
pub use setup::{App, Setup};
pub use stack::{Stack, Topology, check};
pub use twin::Twin;
pub use uwsgi::{GRACEFUL, Uwsgi};

/// Makes one test on each topology of a function of `&Stack`.
///
/// ```ignore
/// both_topologies!(a_head_has_no_body, SETTINGS);
/// fn a_head_has_no_body(stack: &Stack) { … }
/// ```
#[macro_export]
macro_rules! both_topologies {
    ($test:ident, $setup:expr) => {
        mod $test {
            #[allow(unused_imports)] // the setup may need nothing from there
            use super::*;

            #[test]
            fn one_process() {
                $crate::check($crate::Topology::OneProcess, $setup, super::$test);
            }

            #[test]
            fn split() {
                $crate::check($crate::Topology::Split, $setup, super::$test);
            }
        }
    };
}

/// Makes one test, on three services, of what concerns only them.
#[macro_export]
macro_rules! split_only {
    ($test:ident, $setup:expr) => {
        mod $test {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn split() {
                $crate::check($crate::Topology::Split, $setup, super::$test);
            }
        }
    };
}
