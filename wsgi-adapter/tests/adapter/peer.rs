//! Application servers of a few lines that do what a test needs, mostly wrong. Real sockets; they stop when
//! dropped.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use uwsgi::packet::{Packet, decode};

pub(crate) struct Peer {
    pub(crate) address: String,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Peer {
    /// Does this with every connection.
    pub(crate) async fn new<F, Done>(mut each: F) -> Self
    where
        F: FnMut(TcpStream) -> Done + Send + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("uwsgi://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                running.spawn(each(stream));
            }
        });
        Self { address, connections, task }
    }

    /// Reads the request and its body, writes these bytes, closes.
    pub(crate) async fn replying(bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self::new(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&bytes).await;
            }
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// An address at which nothing listens, and nobody else will while this lives.
pub(crate) struct AbsentPeer {
    pub(crate) address: String,
    _bound: TcpSocket,
}

impl AbsentPeer {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: format!("uwsgi://{}", socket.local_addr().unwrap()), _bound: socket }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The packet, and as much of the body as CONTENT_LENGTH tells.
pub(crate) async fn read_request(stream: &mut TcpStream) -> (Packet, Vec<u8>) {
    let mut buffer = BytesMut::new();
    let packet = loop {
        if let Some(packet) = decode(&mut buffer).unwrap() {
            break packet;
        }
        assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0, "the packet is whole");
    };
    let length: usize = variable(&packet, "CONTENT_LENGTH").parse().unwrap_or(0);
    let mut body = buffer.to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap() == 0 {
            break;
        }
    }
    (packet, body)
}

pub(crate) fn variable(packet: &Packet, name: &str) -> String {
    let found = packet.variables.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}
