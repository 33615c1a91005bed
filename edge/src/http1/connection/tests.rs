//! Refused requests, and the size of a connection's task.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::settings::{Config, SiteConfig};
use crate::{CacheNodes, Peers};

fn an_edge() -> Arc<Edge> {
    let settings = Config { site: vec![SiteConfig::default()], ..Config::default() };
    let peers = Peers {
        cache_nodes: CacheNodes::Connected(Vec::new()),
        wsgi_adapters: crate::WsgiAdapters::Connected(Vec::new()),
    };
    Edge::new(settings, peers, Shutdown::new()).unwrap()
}

fn from(peer: std::net::SocketAddr) -> Via {
    Via::accepted((peer, peer.port()), 0, 0)
}

#[tokio::test]
async fn a_refused_head_request_gets_no_content() {
    for (request, has_content) in [("GET / HTTP/1.1\r\n\r\n", true), ("HEAD / HTTP/1.1\r\n\r\n", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let mut connection =
            Connection::new(Stream::Plain(stream.into()), from(peer), BytesMut::from(request), an_edge());
        let serving = async move { connection.serve().await };
        let talking = async {
            client.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::join!(serving, talking).1;
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("content-length: "), "{head}");
        assert!(head.contains("\r\ndate: "), "{head}");
        assert_eq!(!content.is_empty(), has_content, "{request}");
    }
}

#[tokio::test]
async fn the_task_of_an_idle_connection_is_small() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap();
    let stream = TcpStream::connect(local).await.unwrap();
    let mut connection =
        Connection::new(Stream::Plain(stream.into()), from(local), BytesMut::new(), an_edge());
    let size = size_of_val(&connection) + size_of_val(&connection.serve());

    // It lasts for a moment only: a silent connection is parked.
    assert!(size <= 448, "{size} bytes");
}
