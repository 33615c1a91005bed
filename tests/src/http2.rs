//! A client of HTTP/2 for requests as they should be, and the bytes of frames for all others.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::PATIENCE;
use crate::response::{Fields, Response};

/// One connection. Its frames are read and written while a method waits.
pub struct Http2 {
    runtime: Runtime,
    send: SendRequest<Bytes>,
}

impl Http2 {
    /// Without TLS, knowing beforehand.
    pub fn connect(address: SocketAddr) -> Self {
        let runtime = runtime();
        let send = runtime.block_on(async { begin(TcpStream::connect(address).await.unwrap()).await });
        Self { runtime, send }
    }

    pub fn over_tls(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> Self {
        let runtime = runtime();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let send = runtime.block_on(async {
            let tcp = TcpStream::connect(address).await.unwrap();
            let tls = TlsConnector::from(config).connect(name, tcp).await.unwrap();
            assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
            begin(tls).await
        });
        Self { runtime, send }
    }

    /// One request and its response. `Err`: the stream was reset, or the connection ended.
    pub fn ask(&mut self, request: Request<()>, body: &[u8]) -> Result<Response, h2::Error> {
        self.ask_all(vec![(request, Bytes::copy_from_slice(body))]).remove(0)
    }

    /// One GET. `None`: the connection takes no more requests, and has not begun with this one (GOAWAY).
    pub fn try_get(&mut self, url: &str) -> Option<Result<Response, h2::Error>> {
        let Self { runtime, send } = self;
        let asking = async {
            *send = send.clone().ready().await.ok()?;
            let (response, _) = send.send_request(Request::get(url).body(()).unwrap(), true).ok()?;
            match receive(response).await {
                Err(error) if error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR) => None,
                received => Some(received),
            }
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() })
    }

    pub fn get(&mut self, url: &str) -> Response {
        self.ask(Request::get(url).body(()).unwrap(), b"").unwrap()
    }

    /// The interim replies to a GET, status and fields of each, and the response.
    pub fn get_with_hints(&mut self, url: &str) -> (Vec<Response>, Response) {
        let Self { runtime, send } = self;
        let asking = async {
            *send = send.clone().ready().await.unwrap();
            let request = Request::get(url).body(()).unwrap();
            let (mut response, _) = send.send_request(request, true).unwrap();
            let mut hints = Vec::new();
            while let Some(hint) = std::future::poll_fn(|context| response.poll_informational(context)).await
            {
                let hint = hint.unwrap();
                hints.push(head(hint.status().as_u16(), hint.headers(), Vec::new()));
            }
            (hints, receive(response).await.unwrap())
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() })
    }

    /// All at once; the responses in the order of the requests.
    pub fn ask_all(&mut self, requests: Vec<(Request<()>, Bytes)>) -> Vec<Result<Response, h2::Error>> {
        let Self { runtime, send } = self;
        let asking = async {
            let mut waiting = Vec::new();
            for (request, body) in requests {
                // A connection that takes no more requests ends each of these with an error.
                let begun = match send.clone().ready().await {
                    Ok(ready) => {
                        *send = ready;
                        send.send_request(request, body.is_empty())
                    }
                    Err(error) => Err(error),
                };
                let (response, mut stream) = match begun {
                    Ok(begun) => begun,
                    Err(error) => {
                        waiting.push(tokio::spawn(async { Err(error) }));
                        continue;
                    }
                };
                if !body.is_empty() {
                    tokio::spawn(async move {
                        let mut body = body;
                        while !body.is_empty() {
                            stream.reserve_capacity(body.len());
                            let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
                            let Some(Ok(room)) = room else { return };
                            let piece = body.split_to(room.min(body.len()));
                            if stream.send_data(piece, body.is_empty()).is_err() {
                                return;
                            }
                        }
                    });
                }
                waiting.push(tokio::spawn(receive(response)));
            }
            let mut responses = Vec::new();
            for response in waiting {
                responses.push(response.await.unwrap());
            }
            responses
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() })
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn begin(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> SendRequest<Bytes> {
    let (send, connection) = client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    send
}

async fn receive(response: ResponseFuture) -> Result<Response, h2::Error> {
    let (parts, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        body.extend_from_slice(&chunk);
    }
    Ok(head(parts.status.as_u16(), &parts.headers, body))
}

fn head(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Response {
    let latin1 = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    let field = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), latin1(value));
    let fields = Fields(headers.iter().map(field).collect());
    Response { version: "HTTP/2".to_owned(), status, fields, body, whole: true }
}

/// A frame of this type.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// HPACK without tables: each field literal, as it is.
pub fn head_block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_bytes(), value] {
            let length = text.len();
            match length {
                0..127 => block.push(length as u8),
                _ => {
                    block.push(127);
                    let mut rest = length - 127;
                    while rest >= 128 {
                        block.push((rest % 128) as u8 | 128);
                        rest /= 128;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend_from_slice(text);
        }
    }
    block
}
