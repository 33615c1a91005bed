//! An application's reply, head and body: never panics, says the same however it is cut, and a body is never
//! longer than what came.
#![no_main]

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http1::reply::body::{BodyDecoder, BodyStep, is_bodiless};
use http1::reply::{ResponseForm, ResponseHead, ResponseLimits, ResponseParser};
use http1::write;
use libfuzzer_sys::fuzz_target;

/// The head, the body, and how it ended.
type ReadReply = (Option<ResponseHead>, Vec<u8>, Result<(), String>);

fn read(pieces: &[&[u8]], form: ResponseForm<'_>, head_only: bool) -> ReadReply {
    let mut parser = ResponseParser::new(ResponseLimits { head: 2048, fields: 32 }, form);
    let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
    let mut reading: Option<(ResponseHead, BodyDecoder)> = None;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if reading.is_none() {
            match parser.parse(&mut buffer) {
                Ok(head) => reading = head.map(|head| (head.clone(), BodyDecoder::new(&head, head_only))),
                Err(bad) => return (None, body, Err(bad.to_string())),
            }
        }
        let Some((head, decoder)) = &mut reading else { continue };
        loop {
            match decoder.step(&mut buffer) {
                Ok(BodyStep::Data(data)) => body.extend_from_slice(&data),
                Ok(BodyStep::NeedMore | BodyStep::Done) => break,
                Err(broken) => return (Some(head.clone()), body, Err(broken.to_string())),
            }
        }
    }
    match reading {
        None => (None, body, Err("no head".to_owned())),
        Some((head, decoder)) => (Some(head), body, decoder.closed().map_err(|broken| broken.to_string())),
    }
}

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (how, cut, bytes) = input;
    let upgrade = if how & 2 != 0 { "websocket" } else { "" };
    let form = ResponseForm { status_line: how & 1 != 0, chunks: how & 8 != 0, upgrade };
    let head_only = how & 4 != 0;
    let whole = read(&[bytes], form, head_only);
    assert!(whole.1.len() <= bytes.len());
    if let Some(head) = &whole.0 {
        assert!((200..=599).contains(&head.status) || (head.status == 101 && !form.upgrade.is_empty()));
        let text = |value: &[u8]| value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
        assert!(head.fields.iter().all(|field| !field.name.is_empty() && text(&field.value)));
        assert!(!(head.chunked && head.content_length.is_some()));
        if let (Some(length), Ok(())) = (head.content_length, &whole.2)
            && !head_only
            && !is_bodiless(head.status)
            && head.status != 101
        {
            assert_eq!(whole.1.len() as u64, length);
        }
    }
    if let Some(head) = &whole.0 {
        is_one_head(head);
    }
    let (front, back) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    let cut = read(&[front, back], form, head_only);
    // How much of a broken body was taken before it broke may differ; nothing else does.
    assert_eq!((&cut.0, &cut.2), (&whole.0, &whole.2));
    assert!(whole.2.is_err() || cut.1 == whole.1);
});

/// What a client is sent of the head is one head, with the same fields, and frames nothing.
fn is_one_head(head: &ResponseHead) {
    let mut headers = HeaderMap::new();
    for field in &head.fields {
        let name = HeaderName::from_bytes(&field.name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&field.value)) {
            headers.append(name, value);
        }
    }
    let Ok(status) = StatusCode::from_u16(head.status) else { panic!("status {}", head.status) };
    let mut out = Vec::new();
    write::start(&mut out, status, &headers, &[]);
    out.extend_from_slice(b"\r\n");
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut theirs = httparse::Response::new(&mut room);
    assert_eq!(theirs.parse(&out), Ok(httparse::Status::Complete(out.len())), "{}", out.escape_ascii());
    assert_eq!(theirs.code, Some(head.status));
    for header in theirs.headers.iter() {
        let value =
            headers.get_all(header.name).iter().any(|value| value.as_bytes().trim_ascii() == header.value);
        assert!(value || header.name == "server", "{}", header.name);
        let frames = ["content-length", "transfer-encoding", "connection"].contains(&header.name);
        assert!(!frames, "{}", header.name);
    }
}
