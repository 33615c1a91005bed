//! What the fuzz target of requests of HTTP/2 calls: the twin of HTTP/1 that a request is written as is one
//! head, read to its end, and says the same.

use ::http2::{Decoder, FieldList, RequestFields, block};
use http1::head::{Framing, Head, Limits, Scheme, read};

use super::write;

/// Fields that the twin has and the request has not, or another number of times.
const WRITTEN_ANEW: [&str; 4] = ["host", "cookie", "x-forwarded-proto", "transfer-encoding"];

/// Names and values, each ended by NUL, in turn.
#[doc(hidden)]
pub fn read_twin(bytes: &[u8]) {
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    let mut written = Vec::new();
    for pair in parts.chunks_exact(2) {
        block::field(&mut written, pair[0], pair[1]);
    }
    let mut list = FieldList::new(4096);
    if Decoder::default().decode(&written, &mut list).is_err() || list.is_over() {
        return;
    }
    let mut out = Vec::new();
    for has_body in [false, true] {
        for here in [Scheme::Http, Scheme::Https] {
            if write(&list, has_body, here, &mut out).is_ok() {
                compare(&list, has_body, &out);
            }
        }
    }
}

fn compare(list: &FieldList, has_body: bool, written: &[u8]) {
    let limits =
        Limits { head: 1 << 20, target: 1 << 20, fields: 10_000, underscores: true, ..Limits::default() };
    let mut spans = Vec::new();
    let (head, taken) = match read(written, &limits, &mut spans) {
        Ok(Some(read)) => read,
        Ok(None) => panic!("the head does not end: {}", written.escape_ascii()),
        Err(_) => return,
    };
    assert_eq!(taken, written.len(), "something follows the head");
    let Ok(request) = RequestFields::read(list) else { panic!("written, and malformed") };
    assert_eq!(head.method.as_bytes(), request.method);
    assert_eq!(Some(head.target.as_str().as_bytes()), request.path);
    let has_length = request.regular().any(|(name, _)| name == b"content-length");
    match head.framing {
        Framing::Chunked => assert!(has_body && !has_length),
        Framing::Length(_) => assert!(has_length),
        Framing::None => assert!(!has_body && !has_length),
    }
    fields(&head, &request);
}

fn fields(head: &Head<'_>, request: &RequestFields<'_>) {
    let is_kept = |name: &[u8]| !WRITTEN_ANEW.iter().any(|anew| anew.as_bytes() == name);
    let read = head.fields.iter().map(|(name, value)| (name.as_bytes(), value));
    let read: Vec<_> = read.filter(|(name, _)| is_kept(name)).collect();
    let mut sent = request.regular().filter(|(name, _)| is_kept(name)).peekable();
    for field in read {
        // A name with an underscore may be left out.
        while sent.next_if(|other| *other != field && other.0.contains(&b'_')).is_some() {}
        assert_eq!(sent.next(), Some(field));
    }
    assert!(sent.all(|(name, _)| name.contains(&b'_')));
    let crumbs: Vec<_> =
        request.regular().filter(|(name, _)| *name == b"cookie").map(|(_, value)| value).collect();
    let mut cookies = head.fields.iter().filter(|(name, _)| *name == "cookie").map(|(_, value)| value);
    assert_eq!(cookies.next().unwrap_or_default(), crumbs.join(&b"; "[..]));
    assert_eq!(cookies.next(), None, "two lines of cookies");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_clients() {
        for seed in ["get", "post"] {
            let path = format!("{}/../fuzz/seeds/http2_head/{seed}", env!("CARGO_MANIFEST_DIR"));
            read_twin(&std::fs::read(path).unwrap());
        }
    }
}
