//! HTTP/2 frame by frame: what RFC 9113 and RFC 7541 demand of a server, in the cases of h2spec, by their
//! sections.

#[path = "conformance/cases.rs"]
mod cases;

use weir_tests::{Client, Stack, frame, head_block};

use cases::{coding_cases, connection_cases, message_cases};

use super::{END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, next, raw};

const DATA: u8 = 0;
const PRIORITY: u8 = 2;
const SET: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;
const UNKNOWN: u8 = 0x16;

const ACK: u8 = 1;
const PADDED: u8 = 8;
const WHOLE: u8 = END_STREAM | END_HEADERS;

/// Error codes, RFC 9113 section 7.
const PROTOCOL: u8 = 1;
const FLOW_CONTROL: u8 = 3;
const CLOSED: u8 = 5;
const FRAME_SIZE: u8 = 6;
const REFUSED: u8 = 7;
const COMPRESSION: u8 = 9;

/// What the server must do.
#[derive(Clone, Copy, Debug)]
enum Requirement {
    /// Answer stream 1 with 200.
    Answer,
    /// Go on as if nothing had been said.
    Ignore,
    /// End the connection with one of these codes, or as PROTOCOL_ERROR, which may be said of any mistake.
    End(&'static [u8]),
    /// Reset the stream, or end the connection, with one of these codes.
    Reset(&'static [u8]),
    /// Take the request for malformed: as PROTOCOL_ERROR, if after a 400.
    Malformed,
}
use Requirement::{Answer, End, Ignore, Malformed, Reset};

/// Section, what is sent, the frames, what must come of it.
type Case = (&'static str, &'static str, Vec<Vec<u8>>, Requirement);

fn request(method: &'static str, path: &'static str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let fields: [(&str, &[u8]); 4] = [
        (":method", method.as_bytes()),
        (":scheme", b"http"),
        (":authority", b"localhost"),
        (":path", path.as_bytes()),
    ];
    head_block(&[&fields, more].concat())
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &request("GET", "/count/conformance", &[]))
}

/// A request that is not over.
fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request("POST", "/upload", &[]))
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

fn set(name: u16, value: u32) -> Vec<u8> {
    frame(SET, 0, 0, &setting(name, value))
}

/// What the server did; a PING shows that it goes on.
fn verdict(client: &mut Client, must: Requirement) -> Result<(), String> {
    let mut seen = Vec::new();
    while let Some((kind, flags, stream, payload)) = next(client) {
        seen.push((kind, flags, stream, payload.iter().copied().take(12).collect::<Vec<_>>()));
        let code = payload.last_chunk::<4>().map(|code| code[3]);
        let done = match (must, kind) {
            (Answer, HEADERS) => stream == 1 && payload.first() == Some(&0x88),
            (Ignore, PING) => flags & ACK != 0 && payload == b"to go on",
            (End(codes), GOAWAY) => payload[7] == PROTOCOL || codes.contains(&payload[7]),
            (Reset(codes), GOAWAY) => payload[7] == PROTOCOL || codes.contains(&payload[7]),
            (Reset(codes), RST_STREAM) => code.is_some_and(|code| codes.contains(&code)),
            (Malformed, RST_STREAM) => code == Some(PROTOCOL),
            (Malformed, GOAWAY) => payload[7] == PROTOCOL,
            _ => false,
        };
        if done {
            return Ok(());
        }
        if kind == GOAWAY && payload[7] != 0 || matches!(must, Answer | Ignore) && kind == RST_STREAM {
            break;
        }
    }
    Err(format!("{seen:?}"))
}

#[test]
fn every_frame_has_its_rule() {
    let stack = Stack::one_process(SETTINGS);
    let mut wrong = Vec::new();
    for (section, what, frames, must) in [connection_cases(), message_cases(), coding_cases()].concat() {
        let mut client = raw(&stack);
        // The server may have ended the connection before all is sent.
        let _ = frames.iter().try_for_each(|frame| client.try_send(frame));
        let _ = client.try_send(frame(PING, 0, 0, b"to go on"));
        if let Err(seen) = verdict(&mut client, must) {
            wrong.push(format!("{section}, {what}: must {must:?}, but {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn more_streams_than_agreed_are_refused() {
    let stack = Stack::one_process(SETTINGS);
    let mut client = raw(&stack);
    for number in 0..300 {
        client.send(post(2 * number + 1));
    }
    let refused = std::iter::from_fn(|| next(&mut client))
        .find(|(kind, _, _, payload)| *kind == RST_STREAM && [PROTOCOL, REFUSED].contains(&payload[3]));
    assert!(refused.is_some());
}

#[test]
fn a_connection_begins_with_the_settings_and_each_are_acknowledged() {
    let stack = Stack::one_process(SETTINGS);
    let mut client = stack.connect();
    client.send(PREFACE);
    client.send(set(4, 1));
    let first = next(&mut client).unwrap();
    assert_eq!((first.0, first.1 & ACK, first.2), (SET, 0, 0));
    let acknowledged =
        std::iter::from_fn(|| next(&mut client)).any(|(kind, flags, ..)| kind == SET && flags & ACK != 0);
    assert!(acknowledged);
}

/// RFC 9113 section 6.9.2: a window that the settings move, and that may be less than nothing.
#[test]
fn a_reply_keeps_to_the_window() {
    let stack = Stack::one_process(SETTINGS);
    let mut client = raw(&stack);
    client.send(set(4, 3));
    let page = request("GET", "/count/window?size=9", &[]);
    client.send(frame(HEADERS, WHOLE, 1, &page));
    let data = |client: &mut Client| {
        std::iter::from_fn(|| next(client)).find(|(kind, ..)| *kind == DATA).map(|frame| frame.3.len())
    };
    assert_eq!(data(&mut client), Some(3));
    // Two more than there were, one of them used up: less than nothing, then one, then all.
    client.send(set(4, 2));
    client.send(frame(WINDOW, 0, 1, &[0, 0, 0, 2]));
    assert_eq!(data(&mut client), Some(1));
    client.send(set(4, 100));
    assert_eq!(data(&mut client), Some(5));
}

#[test]
fn a_preface_that_is_none_is_no_http_2() {
    let stack = Stack::one_process(SETTINGS);
    let mut client = stack.connect();
    client.send(b"INVALID CONNECTION PREFACE\r\n\r\n");
    let said = client.rest();
    assert!(said.starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&said));
}
