//! A FastCGI server's records: never panics, gives the same records however they are cut, and takes no more
//! than came.
#![no_main]

use bytes::BytesMut;
use fastcgi::record::{Decoder, MalformedRecord, Record};
use libfuzzer_sys::fuzz_target;

fn read(pieces: &[&[u8]]) -> (Vec<Record>, Option<MalformedRecord>) {
    let (mut decoder, mut buffer, mut records) = (Decoder::default(), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(malformed) => return (records, Some(malformed)),
            }
        }
    }
    (records, None)
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let whole = read(&[bytes]);
    let content = |record: &Record| match record {
        Record::Stdout(content) | Record::Stderr(content) => content.len(),
        Record::End(_) => 0,
    };
    assert!(whole.0.iter().map(content).sum::<usize>() <= bytes.len());
    let (front, back) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    assert_eq!(read(&[front, back]), whole);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), whole);
});
