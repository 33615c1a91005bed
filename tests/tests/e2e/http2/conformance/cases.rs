//! What a client may send wrongly, and what has to follow.

use super::*;

pub(super) fn connection_cases() -> Vec<Case> {
    [framing_cases(), stream_cases(), frame_cases(), settings_cases(), window_cases(), continuation_cases()]
        .concat()
}

fn head() -> Vec<u8> {
    request("GET", "/count/conformance", &[])
}

/// The first part of a head, which CONTINUATION is to end.
fn begun() -> Vec<u8> {
    frame(HEADERS, END_STREAM, 1, &head()[..10])
}

/// One frame alone.
fn ends(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<Vec<u8>> {
    vec![frame(kind, flags, stream, payload)]
}

fn framing_cases() -> Vec<Case> {
    vec![
        ("4.1", "a frame of unknown type", ends(UNKNOWN, 0, 0, b"12345678"), Ignore),
        ("4.1", "undefined flags", ends(PING, 0x16, 0, b"12345678"), Ignore),
        ("4.1", "the reserved bit of a stream", ends(PING, 0, 1 << 31, b"12345678"), Ignore),
        ("4.2", "DATA of the largest size", vec![post(1), frame(DATA, END_STREAM, 1, &[0; 16_384])], Answer),
        (
            "4.2",
            "DATA that is too large",
            vec![post(1), frame(DATA, END_STREAM, 1, &[0; 16_385])],
            Reset(&[FRAME_SIZE]),
        ),
        ("4.2", "HEADERS that are too large", ends(HEADERS, WHOLE, 1, &[0; 16_385]), End(&[FRAME_SIZE])),
        ("4.3", "a head block that is none", ends(HEADERS, WHOLE, 1, &[0x40]), End(&[COMPRESSION])),
        (
            "4.3",
            "PRIORITY within a head",
            vec![begun(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])],
            End(&[PROTOCOL]),
        ),
        ("4.3", "another head within a head", vec![begun(), get(3)], End(&[PROTOCOL])),
    ]
}

fn stream_cases() -> Vec<Case> {
    let head = head();
    vec![
        ("5.1", "idle: DATA", ends(DATA, END_STREAM, 1, b"test"), End(&[PROTOCOL])),
        ("5.1", "idle: RST_STREAM", ends(RST_STREAM, 0, 1, &[0, 0, 0, 8]), End(&[PROTOCOL])),
        ("5.1", "idle: WINDOW_UPDATE", ends(WINDOW, 0, 1, &[0, 0, 0, 100]), End(&[PROTOCOL])),
        ("5.1", "idle: CONTINUATION", ends(CONTINUATION, END_HEADERS, 1, &head), End(&[PROTOCOL])),
        ("5.1", "half closed: DATA", vec![get(1), frame(DATA, END_STREAM, 1, b"test")], Reset(&[CLOSED])),
        ("5.1", "half closed: HEADERS", vec![get(1), get(1)], Reset(&[CLOSED])),
        (
            "5.1",
            "half closed: CONTINUATION",
            vec![get(1), frame(CONTINUATION, END_HEADERS, 1, &head)],
            Reset(&[CLOSED, PROTOCOL]),
        ),
        (
            "5.1",
            "reset: DATA",
            vec![post(1), reset(1), frame(DATA, END_STREAM, 1, b"test")],
            Reset(&[CLOSED]),
        ),
        ("5.1", "reset: HEADERS", vec![post(1), reset(1), get(1)], Reset(&[CLOSED])),
        (
            "5.1",
            "reset: CONTINUATION",
            vec![post(1), reset(1), frame(CONTINUATION, END_HEADERS, 1, &head)],
            End(&[CLOSED, PROTOCOL]),
        ),
        ("5.1.1", "an even stream", vec![get(2)], End(&[PROTOCOL])),
        ("5.1.1", "a stream below an earlier one", vec![get(5), get(3)], End(&[PROTOCOL, CLOSED])),
        ("5.5", "an unknown frame within a head", vec![begun(), frame(UNKNOWN, 0, 0, b"")], End(&[PROTOCOL])),
    ]
}

fn frame_cases() -> Vec<Case> {
    let head = head();
    vec![
        (
            "6.1",
            "DATA for the connection",
            vec![post(1), frame(DATA, END_STREAM, 0, b"test")],
            End(&[PROTOCOL]),
        ),
        (
            "6.1",
            "more padding than DATA",
            vec![post(1), frame(DATA, END_STREAM | PADDED, 1, b"\x06test")],
            End(&[PROTOCOL]),
        ),
        ("6.2", "HEADERS for the connection", ends(HEADERS, WHOLE, 0, &head), End(&[PROTOCOL])),
        (
            "6.2",
            "more padding than HEADERS",
            ends(HEADERS, WHOLE | PADDED, 1, &[&[255], &head[..9]].concat()),
            End(&[PROTOCOL]),
        ),
        ("6.3", "PRIORITY for the connection", ends(PRIORITY, 0, 0, &[0, 0, 0, 0, 1]), End(&[PROTOCOL])),
        (
            "6.3",
            "PRIORITY of another length",
            vec![post(1), frame(PRIORITY, 0, 1, &[0; 4])],
            Reset(&[FRAME_SIZE]),
        ),
        ("6.4", "RST_STREAM for the connection", ends(RST_STREAM, 0, 0, &[0, 0, 0, 8]), End(&[PROTOCOL])),
        (
            "6.4",
            "RST_STREAM of another length",
            vec![post(1), frame(RST_STREAM, 0, 1, &[0; 3])],
            End(&[FRAME_SIZE]),
        ),
    ]
}

fn settings_cases() -> Vec<Case> {
    let head = head();
    vec![
        ("6.5", "an ACK with settings", ends(SET, ACK, 0, &setting(1, 1)), End(&[FRAME_SIZE])),
        ("6.5", "SETTINGS for a stream", ends(SET, 0, 1, &setting(3, 100)), End(&[PROTOCOL])),
        ("6.5", "SETTINGS of another length", ends(SET, 0, 0, &[0; 3]), End(&[FRAME_SIZE])),
        ("6.5.2", "ENABLE_PUSH of 2", vec![set(2, 2)], End(&[PROTOCOL])),
        ("6.5.2", "INITIAL_WINDOW_SIZE above all bounds", vec![set(4, 1 << 31)], End(&[FLOW_CONTROL])),
        ("6.5.2", "MAX_FRAME_SIZE too small", vec![set(5, 16_383)], End(&[PROTOCOL])),
        ("6.5.2", "MAX_FRAME_SIZE too large", vec![set(5, 1 << 24)], End(&[PROTOCOL])),
        ("6.5.2", "a setting that is unknown", vec![set(255, 1)], Ignore),
        (
            "6.6",
            "PUSH_PROMISE from a client",
            vec![post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &head[..]].concat())],
            End(&[PROTOCOL]),
        ),
        ("6.7", "PING with ACK", ends(PING, ACK, 0, b"invalid!"), Ignore),
        ("6.7", "PING for a stream", ends(PING, 0, 1, b"12345678"), End(&[PROTOCOL])),
        ("6.7", "PING of another length", ends(PING, 0, 0, b"123456"), End(&[FRAME_SIZE])),
        ("6.8", "GOAWAY for a stream", ends(GOAWAY, 0, 1, &[0; 8]), End(&[PROTOCOL])),
    ]
}

fn window_cases() -> Vec<Case> {
    vec![
        (
            "6.9",
            "a window for the connection that opens by nothing",
            ends(WINDOW, 0, 0, &[0; 4]),
            End(&[PROTOCOL]),
        ),
        (
            "6.9",
            "a window that opens by nothing",
            vec![post(1), frame(WINDOW, 0, 1, &[0; 4])],
            Reset(&[PROTOCOL]),
        ),
        ("6.9", "WINDOW_UPDATE of another length", ends(WINDOW, 0, 0, &[0, 0, 1]), End(&[FRAME_SIZE])),
        ("6.9.1", "a connection's window above all bounds", vec![widest(0), widest(0)], End(&[FLOW_CONTROL])),
        (
            "6.9.1",
            "a stream's window above all bounds",
            vec![post(1), widest(1), widest(1)],
            Reset(&[FLOW_CONTROL]),
        ),
    ]
}

fn continuation_cases() -> Vec<Case> {
    let rest = &head()[10..];
    vec![
        (
            "6.10",
            "CONTINUATION",
            vec![
                begun(),
                frame(CONTINUATION, 0, 1, &rest[..9]),
                frame(CONTINUATION, END_HEADERS, 1, &rest[9..]),
            ],
            Answer,
        ),
        (
            "6.10",
            "DATA instead of CONTINUATION",
            vec![begun(), frame(DATA, END_STREAM, 1, b"test")],
            End(&[PROTOCOL]),
        ),
        (
            "6.10",
            "CONTINUATION for the connection",
            vec![begun(), frame(CONTINUATION, END_HEADERS, 0, rest)],
            End(&[PROTOCOL]),
        ),
        (
            "6.10",
            "CONTINUATION after a whole head",
            vec![post(1), frame(CONTINUATION, END_HEADERS, 1, rest)],
            End(&[PROTOCOL]),
        ),
        (
            "6.10",
            "CONTINUATION after DATA",
            vec![post(1), frame(DATA, 0, 1, b"test"), frame(CONTINUATION, END_HEADERS, 1, rest)],
            End(&[PROTOCOL]),
        ),
        (
            "7",
            "RST_STREAM with a code that is unknown",
            vec![post(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 255])],
            Ignore,
        ),
    ]
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

fn widest(stream: u32) -> Vec<u8> {
    frame(WINDOW, 0, stream, &[0x7f, 255, 255, 255])
}

pub(super) fn message_cases() -> Vec<Case> {
    let with = |name: &'static str, value: &'static str| {
        vec![frame(HEADERS, WHOLE, 1, &request("GET", "/count/conformance", &[(name, value.as_bytes())]))]
    };
    let without = |name: &str| {
        let fields: [(&str, &[u8]); 4] =
            [(":method", b"GET"), (":scheme", b"http"), (":authority", b"localhost"), (":path", b"/")];
        let fields: Vec<_> = fields.into_iter().filter(|field| field.0 != name).collect();
        vec![frame(HEADERS, WHOLE, 1, &head_block(&fields))]
    };
    let long = |length: &'static str, parts: &[&[u8]]| {
        let head = request("POST", "/upload", &[("content-length", length.as_bytes())]);
        let mut frames = vec![frame(HEADERS, END_HEADERS, 1, &head)];
        for (index, part) in parts.iter().enumerate() {
            frames.push(frame(DATA, if index + 1 == parts.len() { END_STREAM } else { 0 }, 1, part));
        }
        frames
    };
    let trailer = |flags, field: (&str, &[u8])| {
        vec![post(1), frame(DATA, 0, 1, b"test"), frame(HEADERS, flags, 1, &head_block(&[field]))]
    };
    vec![
        ("8.1", "trailers", trailer(WHOLE, ("x-sum", b"1")), Answer),
        ("8.1", "a second head that ends nothing", trailer(END_HEADERS, ("x-sum", b"1")), Malformed),
        ("8.1", "a pseudo-field in trailers", trailer(WHOLE, (":path", b"/a")), Malformed),
        ("8.2.1", "a name in upper case in trailers", trailer(WHOLE, ("X-SUM", b"1")), Malformed),
        ("8.2.2", "connection in trailers", trailer(WHOLE, ("connection", b"close")), Malformed),
        ("8.1.1", "less than content-length", long("9", &[b"test"]), Malformed),
        ("8.1.1", "more than content-length", long("1", &[b"test"]), Malformed),
        ("8.1.1", "more than content-length, in two parts", long("1", &[b"te", b"st"]), Malformed),
        ("8.2.1", "a name in upper case", with("X-TEST", "ok"), Malformed),
        ("8.2.2", "connection", with("connection", "keep-alive"), Malformed),
        ("8.2.2", "te: trailers", with("te", "trailers"), Answer),
        ("8.2.2", "te of another value", with("te", "trailers, deflate"), Malformed),
        ("8.3", "an unknown pseudo-field", with(":test", "ok"), Malformed),
        ("8.3", "a response's pseudo-field", with(":status", "200"), Malformed),
        ("8.3.1", "two of :method", with(":method", "GET"), Malformed),
        ("8.3.1", "two of :scheme", with(":scheme", "http"), Malformed),
        ("8.3.1", "two of :path", with(":path", "/"), Malformed),
        ("8.3.1", "an empty :path", vec![frame(HEADERS, WHOLE, 1, &request("GET", "", &[]))], Malformed),
        ("8.3.1", "no :method", without(":method"), Malformed),
        ("8.3.1", "no :scheme", without(":scheme"), Malformed),
        ("8.3.1", "no :path", without(":path"), Malformed),
    ]
}

/// The coding of heads (RFC 7541).
pub(super) fn coding_cases() -> Vec<Case> {
    // GET and http by the static table, and a path; the authority literally, without Huffman's code or with
    // it.
    let start = b"\x82\x86\x04\x0c/count/hpack";
    let by_table = |more: &[u8]| vec![frame(HEADERS, WHOLE, 1, &[&start[..], more].concat())];
    let host = b"\x41\x09localhost";
    let block = |more: &[u8]| by_table(&[&host[..], more].concat());
    vec![
        ("HPACK 6.1", "indexed fields, of the static table", block(&[]), Answer),
        (
            "HPACK 6.1",
            "indexed fields, of the dynamic table",
            [block(&[]), vec![frame(HEADERS, WHOLE, 3, &[&start[..], &[0xbe]].concat())]].concat(),
            Answer,
        ),
        ("HPACK 6.2.1", "a literal that is kept", block(b"\x40\x03x-a\x011"), Answer),
        ("HPACK 6.2.2", "a literal that is not kept", block(b"\x00\x03x-a\x011"), Answer),
        ("HPACK 6.2.3", "a literal that is never kept", block(b"\x10\x03x-a\x011"), Answer),
        ("HPACK 5.2", "Huffman's code", by_table(b"\x41\x86\xa0\xe4\x1d\x13\x9d\x09"), Answer),
        (
            "HPACK 6.3",
            "a table of no size",
            vec![frame(HEADERS, WHOLE, 1, &[&[0x20], &start[..], &host[..]].concat())],
            Answer,
        ),
        ("HPACK 2.3.3", "an index that there is not", block(&[0xff, 0x80, 0x01]), End(&[COMPRESSION])),
        (
            "HPACK 2.3.3",
            "a name by an index that there is not",
            block(b"\x7f\x80\x01\x01x"),
            End(&[COMPRESSION]),
        ),
        ("HPACK 4.2", "a size at the end of a block", block(&[0x20]), End(&[COMPRESSION])),
        (
            "HPACK 5.2",
            "eight bits of padding",
            block(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"),
            End(&[COMPRESSION]),
        ),
        (
            "HPACK 5.2",
            "padding of zeros",
            block(b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"),
            End(&[COMPRESSION]),
        ),
        (
            "HPACK 5.2",
            "the end of string as a character",
            block(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\xff\xff\xff\xff"),
            End(&[COMPRESSION]),
        ),
        ("HPACK 6.1", "index 0", block(&[0x80]), End(&[COMPRESSION])),
        ("HPACK 6.3", "a table larger than agreed", block(&[0x3f, 0xe1, 0xff, 0x03]), End(&[COMPRESSION])),
    ]
}
