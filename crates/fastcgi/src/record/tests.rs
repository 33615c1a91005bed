//! Records written and read, and read however they are cut.

use proptest::prelude::*;

use super::*;

fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = vec![1, kind, 0, 1, high, low, padding, 0];
    out.extend_from_slice(content);
    out.resize(out.len() + usize::from(padding), 0xaa);
    out
}

fn end(status: u8) -> Vec<u8> {
    record(END_REQUEST, &[0, 0, 0, 9, status, 0, 0, 0], 0)
}

/// Feeds the pieces: all records, or what was wrong with one.
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

#[test]
fn bytes_are_those_of_the_protocol() {
    let begin = b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    assert_eq!(opening(b"")[..], [&begin[..], b"\x01\x04\x00\x01\x00\x00\x00\x00"].concat());
    assert_eq!(
        opening(b"\x01\x01Ax")[..],
        [&begin[..], b"\x01\x04\x00\x01\x00\x04\x00\x00\x01\x01Ax", b"\x01\x04\x00\x01\x00\x00\x00\x00"]
            .concat()
    );
    assert_eq!(stdin(0)[..], *b"\x01\x05\x00\x01\x00\x00\x00\x00");
    assert_eq!(stdin(0x1234)[..], *b"\x01\x05\x00\x01\x12\x34\x00\x00");
}

/// What is sent, the records in it, what is wrong with the rest.
fn cases() -> Vec<(Vec<u8>, Vec<Record>, Option<MalformedRecord>)> {
    let out = |text: &'static str| Record::Stdout(text.into());
    let complete = Record::End(RequestEnd::Complete);
    vec![
        (
            [record(STDOUT, b"one", 5), record(STDERR, b"oh", 0), record(STDOUT, b"two", 255), end(0)]
                .concat(),
            vec![out("one"), Record::Stderr("oh".into()), out("two"), complete.clone()],
            None,
        ),
        ([record(STDOUT, b"", 0), record(STDERR, b"", 8), end(0)].concat(), vec![complete.clone()], None),
        (end(2), vec![Record::End(RequestEnd::Overloaded)], None),
        (end(1), vec![Record::End(RequestEnd::Refused)], None),
        (end(3), vec![Record::End(RequestEnd::Refused)], None),
        (end(4), vec![], Some(MalformedRecord::End)),
        (record(END_REQUEST, b"\0\0\0\0", 0), vec![], Some(MalformedRecord::End)),
        (
            [record(STDOUT, b"x", 0), b"\x02\x06\0\x01\0\0\0\0".to_vec()].concat(),
            vec![out("x")],
            Some(MalformedRecord::Version(2)),
        ),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), vec![], Some(MalformedRecord::Version(b'H'))),
        (b"\x01\x06\0\x02\0\x01\0\0x".to_vec(), vec![], Some(MalformedRecord::Request(2))),
        (b"\x01\x0b\0\0\0\0\0\0".to_vec(), vec![], Some(MalformedRecord::Request(0))),
        (b"\x01\x05\0\x01\0\0\0\0".to_vec(), vec![], Some(MalformedRecord::Kind(STDIN))),
        (
            [end(0), record(STDOUT, b"more", 0)].concat(),
            vec![complete.clone()],
            Some(MalformedRecord::AfterEnd),
        ),
        (record(STDOUT, b"half", 0)[..10].to_vec(), vec![], None),
        (record(STDOUT, b"padding is missing", 9)[..26].to_vec(), vec![], None),
    ]
}

#[test]
fn reads_what_servers_send_however_it_is_cut() {
    for (bytes, records, malformed) in cases() {
        let expected = (records, malformed);
        assert_eq!(read(&[&bytes]), expected, "{}", bytes.escape_ascii());
        for cut in 0..=bytes.len() {
            let (front, back) = bytes.split_at(cut);
            assert_eq!(read(&[front, back]), expected, "{} cut at {cut}", bytes.escape_ascii());
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), expected, "{}", bytes.escape_ascii());
    }
}

proptest! {
    #[test]
    fn never_panics_and_takes_no_more_than_there_is(bytes: Vec<u8>, valid in 0u8..4) {
        let bytes = [&[1u8, 6, 0, 1][..usize::from(valid)], &bytes].concat();
        let (records, _) = read(&[&bytes]);
        let content: usize = records.iter().map(|record| match record {
            Record::Stdout(content) | Record::Stderr(content) => content.len(),
            Record::End(_) => 0,
        }).sum();
        prop_assert!(content <= bytes.len());
    }
}
