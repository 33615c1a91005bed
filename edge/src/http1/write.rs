//! Writes a reply to an HTTP/1 connection: head, framing, body; checks that the body is as long as its head
//! says.

use std::io::{self, IoSlice};
use std::pin::pin;
use std::time::Instant;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use http::header::{DATE, UPGRADE};
use http::{HeaderName, HeaderValue, Version};
use http1::write::{bodiless, field_line, fields, length_line, persistence_line, status_line, title_names};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::cache::page::LAST;
use crate::connection::clock;
use crate::connection::pace::ClientPace;
use crate::http1::abandon::unless;
use crate::reply::Reply;
use crate::reply::body::ReplyBody;
use crate::reply::delivery::Delivery;

/// How the request wants its reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteManner {
    /// HEAD: no body is sent.
    pub(crate) head_only: bool,
    pub(crate) version: Version,
    /// The connection may be used again.
    pub(crate) keep_alive: bool,
    /// Names of fields are written as `Content-Type`.
    pub(crate) title_names: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// Sends the reply to a client that must keep this pace. Everything ends once the client has `left`.
pub(crate) async fn send<W: AsyncWrite + Unpin>(
    stream: &mut W,
    mut reply: Reply,
    manner: WriteManner,
    pace: ClientPace,
    left: impl Future<Output = ()>,
) -> (Delivery, Reply) {
    if reply.hangs_up {
        return (Delivery { broken: true, ..Delivery::default() }, reply);
    }
    let framing = framing(&reply, manner);
    let keep_alive = manner.keep_alive && !reply.close && framing != Framing::UntilClose;
    let mut head = Vec::with_capacity(1024);
    write_head(&mut head, &reply, framing, keep_alive, manner);
    let mut sent = Delivery { head: head.len() as u64, ..Delivery::default() };
    let bodiless = manner.head_only || bodiless(reply.status);
    let mut out = PacedWriter { stream, pace };
    let sending = async {
        if bodiless {
            return out.write(&mut [&head], &mut reply.body).await;
        }
        let end = match framing {
            Framing::Chunked => last_chunk(&reply.trailers, manner.title_names),
            _ => Vec::new(),
        };
        send_body(&mut out, head, &mut reply.body, (framing, &end), &mut sent).await
    };
    // Pinned here, because passing them on would copy them.
    let done = unless(pin!(left), pin!(sending)).await;
    match done {
        Some(Ok(())) => sent.reusable = keep_alive,
        Some(Err(_)) | None => {
            sent.broken = true;
            sent.must_reset = framing == Framing::UntilClose;
        }
    }
    (sent, reply)
}

async fn send_body<W: AsyncWrite + Unpin>(
    out: &mut PacedWriter<'_, W>,
    head: Vec<u8>,
    body: &mut ReplyBody,
    (framing, end): (Framing, &[u8]),
    sent: &mut Delivery,
) -> io::Result<()> {
    // Head and first chunk are sent together if the chunk is there already.
    let mut head = head.as_slice();
    // Pinned here: it would be copied on its way in.
    let first = pin!(body.next_of(out.pace.piece())).as_mut().now_or_never();
    let mut next = match first {
        Some(first) => first,
        None => {
            out.write(&mut [head], body).await?;
            head = &[];
            body.next_of(out.pace.piece()).await
        }
    };
    while let Some(chunk) = next {
        let chunk: Bytes = chunk.map_err(io::Error::other)?;
        sent.body += chunk.len() as u64;
        match framing {
            Framing::Length(length) if sent.body > length => return Err(io::ErrorKind::InvalidData.into()),
            // An empty chunk would end the body.
            Framing::Chunked if chunk.is_empty() => {}
            Framing::Chunked => {
                let size = format!("{:x}\r\n", chunk.len());
                out.write(&mut [head, size.as_bytes(), &chunk, b"\r\n"], body).await?;
                head = &[];
            }
            _ => {
                out.write(&mut [head, &chunk], body).await?;
                head = &[];
            }
        }
        next = body.next_of(out.pace.piece()).await;
    }
    match framing {
        Framing::Length(length) if sent.body < length => Err(io::ErrorKind::UnexpectedEof.into()),
        Framing::Chunked => out.write(&mut [head, end], body).await,
        _ if !head.is_empty() => out.write(&mut [head], body).await,
        _ => Ok(()),
    }
}

/// The end of a body in chunks, with the fields that follow it.
fn last_chunk(trailers: &[(HeaderName, HeaderValue)], titles: bool) -> Vec<u8> {
    let mut end = b"0\r\n".to_vec();
    for (name, value) in trailers {
        field_line(&mut end, name.as_str(), value.as_bytes());
    }
    if titles {
        title_names(&mut end);
    }
    end.extend_from_slice(b"\r\n");
    end
}

struct PacedWriter<'a, W> {
    stream: &'a mut W,
    pace: ClientPace,
}

impl<W: AsyncWrite + Unpin> PacedWriter<'_, W> {
    /// Writes all the parts, in as few system calls as the socket allows. `rest`, which follows them, is not
    /// waited for meanwhile.
    async fn write(&mut self, parts: &mut [&[u8]], rest: &mut ReplyBody) -> io::Result<()> {
        let mut first = 0;
        while first < parts.len() {
            if parts[first].is_empty() {
                first += 1;
                continue;
            }
            let mut slices = [IoSlice::new(&[]); 4];
            let count = parts.len() - first;
            for (slice, part) in slices.iter_mut().zip(&parts[first..]) {
                *slice = IoSlice::new(part);
            }
            let mut writing = pin!(self.stream.write_vectored(&slices[..count.min(4)]));
            let written = match writing.as_mut().now_or_never() {
                Some(written) => written,
                None => {
                    rest.go_on();
                    let _held = self.pace.hold(slices.iter().map(|slice| slice.len()).sum());
                    self.pace.wait(writing).await
                }
            };
            let mut written = written?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.pace.took(written)?;
            while written > 0 {
                let taken = written.min(parts[first].len());
                parts[first].advance(taken);
                written -= taken;
                if parts[first].is_empty() {
                    first += 1;
                }
            }
        }
        // This has no effect without TLS.
        let mut flushing = pin!(self.stream.flush());
        match flushing.as_mut().now_or_never() {
            Some(flushed) => flushed,
            None => {
                // TLS has taken the bytes at once, and waits for the client here.
                rest.go_on();
                self.pace.wait(flushing).await
            }
        }
    }
}

fn framing(reply: &Reply, manner: WriteManner) -> Framing {
    if bodiless(reply.status) {
        return Framing::None;
    }
    match reply.length {
        // What follows a body can only be said behind chunks.
        Some(_) if !reply.trailers.is_empty() && manner.version == Version::HTTP_11 => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None if manner.version == Version::HTTP_11 => Framing::Chunked,
        None => Framing::UntilClose,
    }
}

/// The head of a reply that is sent in one piece; `out` holds nothing else afterwards.
pub(crate) fn whole_head(out: &mut Vec<u8>, reply: &Reply, manner: WriteManner) {
    out.clear();
    write_head(out, reply, framing(reply, manner), manner.keep_alive, manner);
}

fn write_head(out: &mut Vec<u8>, reply: &Reply, framing: Framing, keep_alive: bool, manner: WriteManner) {
    status_line(out, reply.status);
    out.extend_from_slice(&reply.lines);
    let has_last = fields(out, &reply.headers, &LAST);
    match framing {
        Framing::Length(length) => length_line(out, length),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
    for name in LAST.into_iter().filter(|_| has_last) {
        for value in reply.headers.get_all(&name) {
            field_line(out, name.as_str(), value.as_bytes());
        }
    }
    if !reply.headers.contains_key(DATE) {
        date_line(out, Instant::now());
    }
    persistence_line(out, keep_alive, manner.version);
    if reply.headers.contains_key(UPGRADE) {
        // RFC 9110 section 7.8: "A sender of Upgrade MUST also send an \"Upgrade\" connection option".
        out.extend_from_slice(b"connection: upgrade\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if manner.title_names {
        title_names(out);
        let location = reply.note.location.as_ref();
        if let Some(fields) = location.and_then(|location| location.reply_fields.as_ref()) {
            fields.spell(out);
        }
    }
}

pub(crate) fn date_line(out: &mut Vec<u8>, now: Instant) {
    out.extend_from_slice(b"date: ");
    clock::with_http_date(now, |date| out.extend_from_slice(date));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::CONTENT_LENGTH;
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::connection::bodies::Bodies;
    use crate::reply::ReplyParts;

    async fn wire(reply: Reply, version: Version, head_only: bool) -> (String, Delivery) {
        let (mut client, mut server) = tokio::io::duplex(1 << 16);
        let manner = WriteManner { head_only, version, keep_alive: true, title_names: false };
        let (sent, _) = send(
            &mut server,
            reply,
            manner,
            ClientPace::new(Duration::from_secs(1), 0, Bodies::new(u64::MAX)),
            std::future::pending(),
        )
        .await;
        drop(server);
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut client, &mut text).await.unwrap();
        (text, sent)
    }

    fn reply(length: Option<u64>, body: &'static str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("now"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("999"));
        let mut reply =
            ReplyParts::new(StatusCode::OK, headers, ReplyBody::Whole(Bytes::from_static(body.as_bytes())));
        reply.length = length;
        reply
    }

    #[tokio::test]
    async fn frames_by_length_version_and_method() {
        let start = "HTTP/1.1 200 OK\r\ndate: now\r\nserver: weir\r\n";
        let cases = [
            (Some(5), Version::HTTP_11, false, "content-length: 5\r\n\r\nhello", true),
            (
                Some(5),
                Version::HTTP_10,
                false,
                "content-length: 5\r\nconnection: keep-alive\r\n\r\nhello",
                true,
            ),
            (Some(5), Version::HTTP_11, true, "content-length: 5\r\n\r\n", true),
            (
                None,
                Version::HTTP_11,
                false,
                "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                true,
            ),
            (None, Version::HTTP_10, false, "connection: close\r\n\r\nhello", false),
        ];
        for (length, version, head_only, rest, reusable) in cases {
            let (text, sent) = wire(reply(length, "hello"), version, head_only).await;
            assert_eq!(text, format!("{start}{rest}"));
            assert_eq!(sent.reusable, reusable);
            assert!(!sent.broken);
        }
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_its_head_says_is_broken() {
        for length in [4, 6] {
            let (text, sent) = wire(reply(Some(length), "hello"), Version::HTTP_11, false).await;
            assert!(sent.broken && !sent.reusable, "{length}");
            assert!(text.split("\r\n\r\n").nth(1).unwrap_or("").len() <= 5);
        }
    }

    #[tokio::test]
    async fn no_body_and_no_framing_where_there_is_none() {
        let mut not_modified = reply(Some(0), "");
        not_modified.status = StatusCode::NOT_MODIFIED;
        let (text, sent) = wire(not_modified, Version::HTTP_11, false).await;
        assert_eq!(text, "HTTP/1.1 304 Not Modified\r\ndate: now\r\nserver: weir\r\n\r\n");
        assert!(sent.reusable);
    }
}
