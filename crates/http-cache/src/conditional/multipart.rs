//! Several parts of a body in one: multipart/byteranges (RFC 9110 section 14.6).

use bytes::Bytes;
use http::HeaderValue;

use super::ByteRange;

/// The Content-Type of such a body.
pub fn media_type(boundary: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")).ok()
}

/// The parts of `body`, each with its Content-Range and the `content_type` of the whole. `boundary` is a
/// token that the caller draws at random, so that no body holds it.
pub fn body(ranges: &[ByteRange], body: &Bytes, content_type: Option<&HeaderValue>, boundary: &str) -> Bytes {
    let length = body.len() as u64;
    let mut out = Vec::new();
    for range in ranges {
        out.extend_from_slice(&before(range, length, content_type, boundary));
        let (first, last) = (range.first as usize, range.last as usize);
        out.extend_from_slice(body.get(first..=last).unwrap_or_default());
    }
    out.extend_from_slice(&end(boundary));
    out.into()
}

/// What precedes one part of a whole of `length` bytes.
pub fn before(range: &ByteRange, length: u64, content_type: Option<&HeaderValue>, boundary: &str) -> Bytes {
    let mut out = format!("\r\n--{boundary}\r\n").into_bytes();
    // "If the selected representation would have had a Content-Type header field in a 200 (OK) response, the
    // server SHOULD generate that same Content-Type header field in the header area of each body part."
    // (section 15.3.7.2)
    if let Some(content_type) = content_type {
        out.extend_from_slice(b"content-type: ");
        out.extend_from_slice(content_type.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"content-range: ");
    out.extend_from_slice(range.content_range(length).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.into()
}

/// What follows the last part.
pub fn end(boundary: &str) -> Bytes {
    format!("\r\n--{boundary}--\r\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_says_what_it_is() {
        let ranges = [ByteRange { first: 0, last: 1 }, ByteRange { first: 9, last: 9 }];
        let whole = Bytes::from_static(b"0123456789");
        let html = HeaderValue::from_static("text/html");
        let expected = "\r\n--B\r\ncontent-type: text/html\r\ncontent-range: bytes 0-1/10\r\n\r\n01\
            \r\n--B\r\ncontent-type: text/html\r\ncontent-range: bytes 9-9/10\r\n\r\n9\r\n--B--\r\n";
        assert_eq!(body(&ranges, &whole, Some(&html), "B"), expected);
        assert!(!String::from_utf8_lossy(&body(&ranges, &whole, None, "B")).contains("content-type"));
        assert_eq!(media_type("B").unwrap(), "multipart/byteranges; boundary=B");
    }
}
