//! Free ports that stay free until a child has bound them.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that kernels give to outgoing connections, so that none of those takes a port before its
/// server does.
const FIRST: u16 = 15_000;
const LAST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on 127.0.0.1 that nobody else in this process is given.
pub fn free_port() -> u16 {
    // Test processes that run at the same time begin at different places.
    let offset = (std::process::id() * 101 % u32::from(LAST - FIRST)) as u16;
    for _ in FIRST..LAST {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + ((u32::from(offset) + u32::from(step)) % u32::from(LAST - FIRST)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port between {FIRST} and {LAST} is free");
}
