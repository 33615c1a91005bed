//! A request over HTTP/2, on a connection of its own.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http2::{Decoder, FRAME_HEADER, FieldList, PREFACE, block};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{Outcome, PAUSE, Pace, Question};
use crate::application::{self, Page};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const CONNECTION: u32 = 0;
const STREAM: u32 = 1;
/// The reply's head is shorter.
const MAX_HEAD: usize = 64 * 1024;

/// SETTINGS_INITIAL_WINDOW_SIZE: nothing may be sent.
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];
/// The window of who has not said otherwise.
const WINDOW: usize = 65_535;

/// What has come of the reply.
#[derive(Default)]
struct Progress {
    status: Option<u16>,
    body: Vec<u8>,
    /// What was read and not made room for.
    owed: usize,
    is_reset: bool,
    is_over: bool,
}

pub(super) async fn exchange(question: &Question) -> io::Result<Outcome> {
    let mut connection = Connection::open(question).await?;
    let mut progress = Progress::default();
    if let Some(pace) = question.pace {
        connection.dawdle(pace, &mut progress).await?;
        if takes_nothing(question) {
            progress.owed = WINDOW;
        }
        if pace.leaves && !progress.is_over {
            return Ok(Outcome::Left);
        }
    }
    while !progress.is_over && !progress.is_reset {
        connection.make_room(&mut progress, usize::MAX).await?;
        match connection.frame().await {
            Ok(frame) => connection.take(frame, &mut progress).await?,
            Err(error) if progress.status.is_none() => return Err(error),
            Err(_) => progress.is_reset = true,
        }
    }
    let Progress { status, body, is_over, .. } = progress;
    match status {
        // What came was right, and is not all.
        Some(200) if !is_over && Page::begins(&question.path, &body) => {
            Ok(Outcome::Broken("reset".to_owned()))
        }
        Some(status) if is_over || status == 200 => {
            Ok(Outcome::Reply { status, cache_status: String::new(), body })
        }
        _ => Ok(Outcome::Broken("reset".to_owned())),
    }
}

/// Whether not even the first piece of the reply may be sent for a while. Those of long pages are what takes
/// memory.
fn takes_nothing(question: &Question) -> bool {
    question.pace.is_some_and(|pace| pace.bytes == 0) && !application::is_long(&question.path)
}

struct Connection {
    stream: TcpStream,
    input: BytesMut,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Bytes,
}

impl Connection {
    /// Connects, and asks.
    async fn open(question: &Question) -> io::Result<Self> {
        let Question { method, path, visitor, language, .. } = question;
        let mut stream = TcpStream::connect(question.edge).await?;
        let cookie = format!("sessionid={visitor}");
        let mut fields = vec![
            (":method", *method),
            (":scheme", "http"),
            (":authority", "site"),
            (":path", path),
            ("accept-language", *language),
        ];
        if !visitor.is_empty() {
            fields.push(("cookie", &cookie));
        }
        let mut head = Vec::new();
        fields.iter().for_each(|(name, value)| block::field(&mut head, name.as_bytes(), value.as_bytes()));
        let mut sent = PREFACE.to_vec();
        let settings = if takes_nothing(question) { NO_WINDOW } else { &[] };
        frame(&mut sent, SETTINGS, 0, CONNECTION, settings);
        frame(&mut sent, HEADERS, END_STREAM | END_HEADERS, STREAM, &head);
        stream.write_all(&sent).await?;
        Ok(Self { stream, input: BytesMut::new() })
    }

    /// The next frame. If this is dropped, nothing is lost.
    async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(&[a, b, c, kind, flags, w, x, y, z]) = self.input.first_chunk::<FRAME_HEADER>() {
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                if self.input.len() >= FRAME_HEADER + length {
                    self.input.advance(FRAME_HEADER);
                    let payload = self.input.split_to(length).freeze();
                    return Ok(Frame { kind, flags, stream: u32::from_be_bytes([w, x, y, z]), payload });
                }
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn take(&mut self, frame: Frame, progress: &mut Progress) -> io::Result<()> {
        let Frame { kind, flags, stream, payload } = frame;
        match (stream, kind) {
            (CONNECTION, SETTINGS | PING) if flags & ACK == 0 => {
                let answer = if kind == PING { &*payload } else { &[] };
                return self.send(kind, ACK, CONNECTION, answer).await;
            }
            (STREAM, HEADERS) => {
                let mut fields = FieldList::new(MAX_HEAD);
                if Decoder::default().decode(&payload, &mut fields).is_ok() {
                    let known = fields.iter().find(|(name, _)| *name == b":status");
                    progress.status =
                        known.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
                }
            }
            (STREAM, DATA) => {
                progress.body.extend_from_slice(&payload);
                progress.owed += payload.len();
            }
            (STREAM, WINDOW_UPDATE) => return Ok(()),
            (STREAM, _) => progress.is_reset = true,
            _ => return Ok(()),
        }
        progress.is_over |= flags & END_STREAM != 0 && progress.status.is_some();
        Ok(())
    }

    /// Lets the server send more, in place of what was read.
    async fn make_room(&mut self, progress: &mut Progress, most: usize) -> io::Result<()> {
        let bytes = progress.owed.min(most);
        if bytes > 0 {
            progress.owed -= bytes;
            let more = (bytes as u32).to_be_bytes();
            self.send(WINDOW_UPDATE, 0, CONNECTION, &more).await?;
            self.send(WINDOW_UPDATE, 0, STREAM, &more).await?;
        }
        Ok(())
    }

    /// Takes no more than the first window and what this pace makes room for.
    async fn dawdle(&mut self, pace: Pace, progress: &mut Progress) -> io::Result<()> {
        let (mut next, end) = (Instant::now() + PAUSE, Instant::now() + pace.lasts);
        while Instant::now() < end && !progress.is_over && !progress.is_reset {
            match timeout_at(next, self.frame()).await {
                Ok(Ok(frame)) => self.take(frame, progress).await?,
                Ok(Err(_)) => progress.is_reset = true,
                Err(_) => {
                    next += PAUSE;
                    self.make_room(progress, pace.bytes).await?;
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut sent = Vec::new();
        frame(&mut sent, kind, flags, stream, payload);
        self.stream.write_all(&sent).await
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}
