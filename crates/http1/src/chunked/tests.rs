//! Bodies whole and cut at every byte, taken and malformed; then random ones there and back.

use proptest::prelude::*;

use super::*;

/// The body, and how many bytes it took: none if it is not over.
type Outcome = Result<(Vec<u8>, Option<usize>), MalformedChunk>;

/// Decodes `bytes` given in pieces that end at `cuts`.
fn decode(bytes: &[u8], cuts: impl Iterator<Item = usize>) -> Outcome {
    let mut decoder = Decoder::default();
    let mut body = Vec::new();
    let mut from = 0;
    for to in cuts.chain([bytes.len()]) {
        loop {
            match decoder.next(&bytes[from..to])? {
                ChunkStep::Data(range) => {
                    assert!(!range.is_empty());
                    body.extend_from_slice(&bytes[from..to][range.clone()]);
                    from += range.end;
                }
                ChunkStep::NeedMore => break from = to,
                ChunkStep::End(taken) => return Ok((body, Some(from + taken))),
            }
        }
    }
    Ok((body, None))
}

fn assert_outcome(bytes: &[u8], expected: &Outcome) {
    let shown = bytes.escape_ascii();
    assert_eq!(decode(bytes, std::iter::empty()), *expected, "{shown}");
    assert_eq!(decode(bytes, 1..bytes.len()), *expected, "byte by byte: {shown}");
    for cut in 0..bytes.len() {
        assert_eq!(decode(bytes, [cut].into_iter()), *expected, "cut at {cut}: {shown}");
    }
}

#[test]
fn bodies() {
    let cases: &[(&str, &str)] = &[
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        ("A\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
        ("00000000000000a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", "abcdefghijklmnopqrstuvwxyz"),
        ("010\r\n0123456789abcdef\r\n0\r\n\r\n", "0123456789abcdef"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ("1;a=b;c=\"d;\\\"\\\\e\";f\r\nx\r\n0;g\r\n\r\n", "x"),
        ("1; a = b ;c\t=\"\" ; d\r\nx\r\n0\r\n\r\n", "x"),
        ("1 ;a\r\nx\r\n0\t \t; b = c\r\n\r\n", "x"),
        ("1\r\nx\r\n0\r\nContent-Length: 5\r\nHost: b\r\nX:\r\n\r\n", "x"),
    ];
    for (bytes, body) in cases {
        assert_outcome(bytes.as_bytes(), &Ok((body.as_bytes().to_vec(), Some(bytes.len()))));
        let pipelined = format!("{bytes}GET / HTTP/1.1\r\n");
        assert_outcome(pipelined.as_bytes(), &Ok((body.as_bytes().to_vec(), Some(bytes.len()))));
        for end in 0..bytes.len() {
            let unfinished = decode(&bytes.as_bytes()[..end], std::iter::empty()).unwrap();
            assert_eq!(unfinished.1, None, "{:?} is not whole", &bytes[..end]);
        }
    }
}

#[test]
fn malformed() {
    let cases: &[(&[u8], MalformedChunk)] = &[
        (b"+5\r\nhello\r\n", MalformedChunk::Size),
        (b"-5\r\nhello\r\n", MalformedChunk::Size),
        (b"0x5\r\nhello\r\n", MalformedChunk::Size),
        (b"5_0\r\nhello\r\n", MalformedChunk::Size),
        (b"\r\n", MalformedChunk::Size),
        (b";a\r\n", MalformedChunk::Size),
        (b" 5\r\nhello\r\n", MalformedChunk::Size),
        (b"\t5\r\nhello\r\n", MalformedChunk::Size),
        (b"5 \r\nhello\r\n", MalformedChunk::Size),
        (b"5 \t\r\nhello\r\n", MalformedChunk::Size),
        (b"5 \n", MalformedChunk::Size),
        (b"5 0\r\nhello\r\n", MalformedChunk::Size),
        (b"5 a\r\nhello\r\n", MalformedChunk::Size),
        (b"5 =a\r\nhello\r\n", MalformedChunk::Size),
        (b"5 ;\r\nhello\r\n", MalformedChunk::Extension),
        (b"5 ;;a\r\nhello\r\n", MalformedChunk::Extension),
        (b"g\r\n", MalformedChunk::Size),
        (b"1abcxyz\r\n", MalformedChunk::Size),
        (b"5,\r\n", MalformedChunk::Size),
        (b"5\0\r\n", MalformedChunk::Size),
        (b"\xef\xbc\x95\r\n", MalformedChunk::Size),
        (b"10000000000000000\r\n", MalformedChunk::Size),
        (b"00000000000000005\r\nhello\r\n", MalformedChunk::Size),
        (b"5\nhello\r\n0\r\n\r\n", MalformedChunk::Size),
        (b"5\rhello\r\n", MalformedChunk::LineEnd),
        (b"5\r\rhello\r\n", MalformedChunk::LineEnd),
        (b"5;a\nhello\r\n", MalformedChunk::Extension),
        (b"5;a\rb\r\nhello\r\n", MalformedChunk::LineEnd),
        (b"1;\r\nx\r\n", MalformedChunk::Extension),
        (b"1; \r\nx\r\n", MalformedChunk::Extension),
        (b"1;;a\r\nx\r\n", MalformedChunk::Extension),
        (b"1;b@d\r\nx\r\n", MalformedChunk::Extension),
        (b"1;a=\r\nx\r\n", MalformedChunk::Extension),
        (b"1;a=;b\r\nx\r\n", MalformedChunk::Extension),
        (b"1;a b\r\nx\r\n", MalformedChunk::Extension),
        (b"1;a=b c\r\nx\r\n", MalformedChunk::Extension),
        (b"1;a=b=c\r\nx\r\n", MalformedChunk::Extension),
        (b"1;a=\"b\"c\r\nx\r\n", MalformedChunk::Extension),
        (b"1;a \r\nx\r\n", MalformedChunk::Extension),
        (b"1;\"a\"\r\nx\r\n", MalformedChunk::Extension),
        (b"1;=b\r\nx\r\n", MalformedChunk::Extension),
        (b"5;a\0\r\n", MalformedChunk::Extension),
        (b"5;a\x7f\r\n", MalformedChunk::Extension),
        (b"5;caf\xe9\r\n", MalformedChunk::Extension),
        (b"5;a=\"\r\nhello\r\n", MalformedChunk::Extension),
        (b"5;a=\"\\\r\nhello\r\n", MalformedChunk::Extension),
        (b"5;a=\"\n\"\r\nhello\r\n", MalformedChunk::Extension),
        (b"5\r\nhello0\r\n\r\n", MalformedChunk::DataEnd),
        (b"5\r\nhelloXX0\r\n\r\n", MalformedChunk::DataEnd),
        (b"5\r\nhello\n0\r\n\r\n", MalformedChunk::DataEnd),
        (b"5\r\nhello\rX0\r\n\r\n", MalformedChunk::DataEnd),
        (b"5\r\nhello!\r\n0\r\n\r\n", MalformedChunk::DataEnd),
        (b"5\r\nhello\r\n\r\n", MalformedChunk::Size),
        (b"0\n\r\n", MalformedChunk::Size),
        (b"0\r\n\n", MalformedChunk::Trailer),
        (b"0\r\n\rX", MalformedChunk::LineEnd),
        (b"0\r\nX: y\n\r\n", MalformedChunk::Trailer),
        (b"0\r\nX: y\rz\r\n\r\n", MalformedChunk::LineEnd),
        (b"0\r\nX: y\r\n z\r\n\r\n", MalformedChunk::Trailer),
        (b"0\r\nX : y\r\n\r\n", MalformedChunk::Trailer),
        (b"0\r\n: y\r\n\r\n", MalformedChunk::Trailer),
        (b"0\r\nX\r\n\r\n", MalformedChunk::Trailer),
        (b"0\r\nX: \0\r\n\r\n", MalformedChunk::Trailer),
        (b"0\r\nX: \x7f\r\n\r\n", MalformedChunk::Trailer),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", MalformedChunk::Trailer),
    ];
    for (bytes, malformed) in cases {
        assert_outcome(bytes, &Err(*malformed));
    }
}

#[test]
fn bounds() {
    let extension = |length: usize| format!("1;{}\r\nx\r\n", "e".repeat(length));
    let trailer = |length: usize| format!("0\r\nX:{}\r\n\r\n", "t".repeat(length - 3));
    let end = "0\r\n\r\n";
    let cases: &[(String, Option<MalformedChunk>)] = &[
        (extension(MAX_EXTENSIONS) + end, None),
        (extension(MAX_EXTENSIONS + 1), Some(MalformedChunk::ExtensionsTooLong)),
        (extension(MAX_EXTENSIONS / 2).repeat(2) + end, None),
        (extension(MAX_EXTENSIONS / 2).repeat(2) + "1;e\r\n", Some(MalformedChunk::ExtensionsTooLong)),
        (format!("1{};e\r\n", " ".repeat(MAX_EXTENSIONS + 2)), Some(MalformedChunk::ExtensionsTooLong)),
        (trailer(MAX_TRAILERS), None),
        (trailer(MAX_TRAILERS + 1), Some(MalformedChunk::TrailersTooLong)),
        ("0\r\n".to_owned() + &"X:\r\n".repeat(MAX_TRAILERS), Some(MalformedChunk::TrailersTooLong)),
    ];
    for (bytes, malformed) in cases {
        let decoded = decode(bytes.as_bytes(), std::iter::empty());
        assert_eq!(decoded.err(), *malformed, "{} bytes", bytes.len());
    }
}

/// The largest size is waited for, not added to anything.
#[test]
fn a_chunk_of_nearly_all_there_is() {
    assert_outcome(b"ffffffffffffffff\r\nabc", &Ok((b"abc".to_vec(), None)));
}

#[test]
fn stays_at_its_end() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.next(b"0\r\n\r\n"), Ok(ChunkStep::End(5)));
    assert_eq!(decoder.next(b"next"), Ok(ChunkStep::End(0)));
    assert_eq!(decoder.next(b""), Ok(ChunkStep::End(0)));
}

proptest! {
    #[test]
    fn there_and_back(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..10),
        rest in prop::collection::vec(any::<u8>(), 0..10),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let length = bytes.len();
        bytes.extend(rest);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(decode(&bytes, cuts.into_iter()), Ok((chunks.concat(), Some(length))));
    }

    #[test]
    fn cuts_change_nothing(
        bytes in "[0-9a-f]{0,2}(;[a\"\\\\ ]{0,3})?\r\n?[a-z]{0,12}\r?\n?0?\r\n(X: ?y\r\n)?\r?\n",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(decode(bytes.as_bytes(), cuts.into_iter()), decode(bytes.as_bytes(), std::iter::empty()));
    }
}
