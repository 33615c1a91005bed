//! A request over HTTP/2, on a connection of its own.

use std::io;

use http2::{Decoder, FRAME_HEADER, FieldList, PREFACE, block};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Outcome, Question};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const STREAM: u32 = 1;
/// The reply's head is shorter.
const MAX_HEAD: usize = 64 * 1024;

pub(super) async fn exchange(question: &Question) -> io::Result<Outcome> {
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
    frame(&mut sent, SETTINGS, 0, 0, &[]);
    frame(&mut sent, HEADERS, END_STREAM | END_HEADERS, STREAM, &head);
    stream.write_all(&sent).await?;

    let (mut status, mut body) = (None, Vec::new());
    let mut fields = FieldList::new(MAX_HEAD);
    loop {
        let mut header = [0; FRAME_HEADER];
        stream.read_exact(&mut header).await?;
        let [a, b, c, kind, flags, id @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        if u32::from_be_bytes(id) != STREAM {
            continue;
        }
        match kind {
            HEADERS if Decoder::default().decode(&payload, &mut fields).is_ok() => {
                let known = fields.iter().find(|(name, _)| *name == b":status");
                status = known.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
            }
            DATA => body.extend_from_slice(&payload),
            _ => return Ok(Outcome::Broken("reset".to_owned())),
        }
        if let (true, Some(status)) = (flags & END_STREAM != 0, status) {
            return Ok(Outcome::Reply { status, cache_status: String::new(), body });
        }
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}
