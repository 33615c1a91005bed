//! A visitor: one request on a connection of its own, and what came of it.

mod http2;

use std::net::SocketAddrV4;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::application::Page;
use crate::services::Service;

/// Longer than any wait that Weir allows itself.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between the pieces that a slow visitor reads.
const PAUSE: Duration = Duration::from_millis(100);

/// How slowly a visitor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes at a time; 0: none.
    pub bytes: usize,
    /// How long that goes on.
    pub lasts: Duration,
    /// Then the visitor leaves, or else reads the rest at once.
    pub leaves: bool,
}

/// What is asked of whom.
#[derive(Clone, Debug)]
pub struct Question {
    pub method: &'static str,
    pub edge: SocketAddrV4,
    pub path: String,
    /// The session; empty: none.
    pub visitor: String,
    pub language: &'static str,
    pub is_http2: bool,
    pub body: &'static [u8],
    /// `None`: as fast as it comes.
    pub pace: Option<Pace>,
}

impl Question {
    /// A page over HTTP/1, by nobody in particular.
    pub fn page(edge: u8, path: &str) -> Self {
        Self {
            method: "GET",
            edge: Service::Edge(edge).address(),
            path: path.to_owned(),
            visitor: String::new(),
            language: "en",
            is_http2: false,
            body: &[],
            pace: None,
        }
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Reply {
        status: u16,
        cache_status: String,
        body: Vec<u8>,
    },
    /// The connection broke, or could not be made.
    Broken(String),
    /// The visitor did not want the rest.
    Left,
    /// Nothing within `PATIENCE`.
    Hung,
}

pub async fn ask(question: &Question) -> Outcome {
    let exchanged = timeout(PATIENCE, async {
        if question.is_http2 { http2::exchange(question).await } else { exchange(question).await }
    });
    match exchanged.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Broken(error.kind().to_string()),
        Err(_) => Outcome::Hung,
    }
}

async fn exchange(question: &Question) -> std::io::Result<Outcome> {
    let Question { method, edge, path, visitor, language, body, pace, .. } = question;
    let mut stream = TcpStream::connect(edge).await?;
    let cookie = if visitor.is_empty() { String::new() } else { format!("Cookie: sessionid={visitor}\r\n") };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: site\r\nConnection: close\r\n{cookie}{length}Accept-Language: {language}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut reply = Vec::new();
    if let Some(pace) = pace {
        let is_read = dawdle(&mut stream, *pace, &mut reply).await?;
        if pace.leaves && !is_read {
            return Ok(Outcome::Left);
        }
    }
    let read = stream.read_to_end(&mut reply).await;
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        read?;
        return Ok(Outcome::Broken("no reply".to_owned()));
    };
    let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
    let field = |name: &str| head.split("\r\n").find_map(|line| line.strip_prefix(name)).map(str::trim);
    let length = field("content-length:").and_then(|length| length.parse::<usize>().ok());
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = &reply[end + 4..];
    let whole = match length {
        Some(length) if length == body.len() => Some(body.to_vec()),
        None if field("transfer-encoding:").is_some() => unchunked(body),
        _ => None,
    };
    let body = match whole {
        Some(body) => body,
        // What came was right, and is not all.
        None if status != 200 || length.is_none() || Page::begins(path, body) => {
            return Ok(Outcome::Broken("cut off".to_owned()));
        }
        None => body.to_vec(),
    };
    let cache_status = field("cache-status:").unwrap_or_default().to_owned();
    Ok(Outcome::Reply { status, cache_status, body })
}

/// Reads at this pace. Whether all has come.
async fn dawdle(stream: &mut TcpStream, pace: Pace, reply: &mut Vec<u8>) -> std::io::Result<bool> {
    let end = Instant::now() + pace.lasts;
    while Instant::now() < end {
        sleep(PAUSE).await;
        let most = reply.len() + pace.bytes;
        while reply.len() < most {
            let left = (most - reply.len()) as u64;
            match timeout(PAUSE, (&mut *stream).take(left).read_buf(reply)).await {
                Ok(Ok(0)) => return Ok(true),
                Ok(read) => {
                    read?;
                }
                Err(_) => break,
            }
        }
    }
    Ok(false)
}

/// `None`: the last chunk is missing.
fn unchunked(mut input: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = input.windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(&input[..line]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        input = &input[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(input.get(..size)?);
        input = input.get(size + 2..)?;
    }
}
