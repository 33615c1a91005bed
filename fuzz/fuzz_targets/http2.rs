//! A connection of HTTP/2 says the same to bytes that come whole and byte by byte, and promises no more of
//! its windows than there is.
#![no_main]

use bytes::Bytes;
use http2::{Connection, ErrorCode, FieldList, Limits, PREFACE, Waiters, block};
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Nobody;

impl Waiters for Nobody {
    fn may_read(&mut self) {}

    fn may_write(&mut self) {}
}

fuzz_target!(|bytes: &[u8]| {
    let whole = run(bytes, bytes.len().max(1));
    assert_eq!(run(bytes, 1), whole);
});

/// The requests of these bytes, given in pieces of `size` behind a preface and SETTINGS, and how they end.
fn run(bytes: &[u8], size: usize) -> (Vec<u32>, Option<ErrorCode>) {
    let limits = Limits { streams: 8, head: 4096, stream_window: 65_536, connection_window: 1 << 20 };
    let mut connection = Connection::<Nobody>::new(limits);
    let mut fields = FieldList::default();
    let mut reply = Vec::new();
    block::status(&mut reply, 200);
    let beginning = [&PREFACE[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let mut requests = Vec::new();
    for mut piece in [&beginning[..]].into_iter().chain(bytes.chunks(size)) {
        loop {
            match connection.receive(&mut piece, &mut fields) {
                Ok(Some(arrival)) if arrival.has_body => {
                    requests.push(arrival.stream);
                    connection.open(arrival);
                }
                Ok(Some(arrival)) => {
                    requests.push(arrival.stream);
                    let _ = connection.answer(arrival, &reply, Bytes::from_static(&[b'x'; 3000]));
                }
                Ok(None) => break,
                Err(code) => return (requests, Some(code)),
            }
        }
    }
    connection.fill_outbox(usize::MAX);
    (requests, None)
}
