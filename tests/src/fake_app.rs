//! An application server that answers with whatever bytes a test wants, where no real one can be brought to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::until;

pub struct FakeApp {
    port: u16,
    ended: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl FakeApp {
    /// Serves on this port of 127.0.0.1: reads each request's uwsgi packet, writes `reply`, closes.
    pub fn answering(port: u16, reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        // A process that is being started by another test may for a moment still hold the last one's socket.
        let listener = until("the port is free again", || TcpListener::bind(("127.0.0.1", port)).ok());
        let (ended, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (end, count) = (ended.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                if read_packet(&mut stream).is_some() {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.write_all(&reply);
                }
            }
        });
        Self { port, ended, asked, thread: Some(thread) }
    }

    /// Requests that it has received.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for FakeApp {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Out of `accept`.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Modifier, size in little endian, modifier; then so many bytes of variables.
fn read_packet(stream: &mut TcpStream) -> Option<()> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    let mut variables = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]]))];
    stream.read_exact(&mut variables).ok()
}
