//! What the head reader takes, `httparse` takes and reads the same in it, if it knows the version, with the
//! length of the body; and no cut changes what the reader says.
#![no_main]

use http1::head::{Framing, Head, KnownField, Limits, Progress, Refusal, Version, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { head: 2048, target: 256, fields: 32, ..Limits::default() };
    let mut spans = Vec::new();
    let whole = read(bytes, &limits, &mut spans).map(|read| {
        read.map(|(head, consumed)| {
            if is_known_to_httparse(bytes) {
                agrees_with_httparse(bytes, &head, consumed);
            }
            assert!(head.to_headers().len() <= head.fields.iter().count());
            consumed
        })
    });
    assert_eq!(byte_by_byte(bytes, &limits), whole);
});

fn byte_by_byte(bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
    let mut progress = Progress::default();
    let mut spans = Vec::new();
    for end in 0..=bytes.len() {
        if progress.worth_reading(&bytes[..end], limits)
            && let Some((_, consumed)) = read(&bytes[..end], limits, &mut spans)?
        {
            return Ok(Some(consumed));
        }
    }
    Ok(None)
}

/// RFC 9110 section 2.5: a later minor version is read as the latest known one. `httparse` refuses it.
fn is_known_to_httparse(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    line.ends_with(b"HTTP/1.0") || line.ends_with(b"HTTP/1.1")
}

fn agrees_with_httparse(bytes: &[u8], head: &Head<'_>, consumed: usize) {
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut theirs = httparse::Request::new(&mut room);
    assert_eq!(theirs.parse(bytes), Ok(httparse::Status::Complete(consumed)));
    assert_eq!(theirs.method, Some(head.method));
    assert_eq!(theirs.version, Some(u8::from(head.version == Version::Http11)));
    if head.target.scheme().is_none() {
        assert_eq!(theirs.path, Some(head.target.as_str()));
    }
    // Ours are theirs in the same order, without those that hold `_` and, if there is a Connection, some
    // unknown ones.
    let mut ours = head.fields.iter().peekable();
    for field in theirs.headers.iter() {
        if ours.next_if_eq(&(field.name, field.value)).is_none() {
            let unknown = KnownField::of(field.name.as_bytes()) == KnownField::Other;
            assert!(
                field.name.contains('_') || (unknown && head.seen.has(KnownField::Connection)),
                "{}",
                field.name
            );
        }
    }
    assert_eq!(ours.next(), None);
    assert_eq!(framing(theirs.headers), Some(head.framing));
}

/// How long the body is by what another reader found, in the plainest way that RFC 9112 section 6.3 allows.
/// None: two readers could differ.
fn framing(headers: &[httparse::Header<'_>]) -> Option<Framing> {
    let values = |name: &str| -> Vec<&[u8]> {
        let named = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect()
    };
    match (&values("transfer-encoding")[..], &values("content-length")[..]) {
        ([], []) => Some(Framing::None),
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => Some(Framing::Chunked),
        ([], [length]) if length.iter().all(u8::is_ascii_digit) => {
            str::from_utf8(length).ok()?.parse().ok().map(Framing::Length)
        }
        _ => None,
    }
}
