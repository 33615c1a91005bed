//! A visitor: one request on a connection of its own, and what came of it.

mod http2;

use std::net::SocketAddrV4;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any wait that Weir allows itself.
pub const PATIENCE: Duration = Duration::from_secs(60);

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
    let Question { method, edge, path, visitor, language, body, .. } = question;
    let mut stream = TcpStream::connect(edge).await?;
    let cookie = if visitor.is_empty() { String::new() } else { format!("Cookie: sessionid={visitor}\r\n") };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: site\r\nConnection: close\r\n{cookie}{length}Accept-Language: {language}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut reply = Vec::new();
    let read = stream.read_to_end(&mut reply).await;
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        read?;
        return Ok(Outcome::Broken("no reply".to_owned()));
    };
    let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
    let field = |name: &str| head.split("\r\n").find_map(|line| line.strip_prefix(name)).map(str::trim);
    let length = field("content-length:").and_then(|length| length.parse::<usize>().ok());
    let body = match length {
        Some(length) if length == reply.len() - end - 4 => reply[end + 4..].to_vec(),
        None if field("transfer-encoding:").is_some() => match unchunked(&reply[end + 4..]) {
            Some(body) => body,
            None => return Ok(Outcome::Broken("cut off".to_owned())),
        },
        _ => return Ok(Outcome::Broken("cut off".to_owned())),
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let cache_status = field("cache-status:").unwrap_or_default().to_owned();
    Ok(Outcome::Reply { status, cache_status, body })
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
