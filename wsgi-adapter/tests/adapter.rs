//! The adapter as an edge sees it, against servers that behave, and servers that do not.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

// Peers: the edge that asks, servers that misbehave, and a real uWSGI.
#[path = "adapter/edge.rs"]
mod edge;
#[path = "adapter/peer.rs"]
mod peer;
#[path = "adapter/uwsgi_server.rs"]
mod uwsgi_server;
// Every kind of server that an application may run on.
#[path = "adapter/servers.rs"]
mod servers;

// What a server's reply becomes, good or bad.
#[path = "adapter/replies.rs"]
mod replies;
// Connecting, other servers when one fails.
#[path = "adapter/retries.rs"]
mod retries;
// Request bodies.
#[path = "adapter/uploads.rs"]
mod uploads;
// Limits, queueing, clients that leave or do not read.
#[path = "adapter/overload.rs"]
mod overload;
// Real uWSGI.
#[path = "adapter/real.rs"]
mod real;
// What every kind of server is held to, one after the other.
#[path = "adapter/contract.rs"]
mod contract;
// Connections that HTTP servers keep, and those that switch to another protocol.
#[path = "adapter/keepalive.rs"]
mod keepalive;
#[path = "adapter/websocket.rs"]
mod websocket;
// Over the network, drained.
#[path = "adapter/network.rs"]
mod network;
