//! The writing of heads: status line and fields as bytes. Framing, date and persistence are the caller's to
//! choose.

use http::header::{CONNECTION, CONTENT_LENGTH, SERVER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode, Version};

/// RFC 9110 section 15: 1xx, 204 and 304 have no content.
pub fn bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Writes the status line, then as [`fields`] does.
pub fn start(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap, last: &[HeaderName]) -> bool {
    status_line(out, status);
    fields(out, headers, last)
}

pub fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the reply's own fields but `last`, which the caller writes behind them. Returns whether there are
/// any of these.
pub fn fields(out: &mut Vec<u8>, headers: &HeaderMap, last: &[HeaderName]) -> bool {
    let mut has_last = false;
    for (name, value) in headers {
        // Framing and persistence are the connection's own affair.
        if matches!(*name, CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION) {
            continue;
        }
        if last.contains(name) {
            has_last = true;
            continue;
        }
        field_line(out, name.as_str(), value.as_bytes());
    }
    if !headers.contains_key(SERVER) {
        out.extend_from_slice(b"server: weir\r\n");
    }
    has_last
}

pub fn field_line(out: &mut Vec<u8>, name: impl AsRef<[u8]>, value: &[u8]) {
    out.extend_from_slice(name.as_ref());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub fn length_line(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    number(out, length);
    out.extend_from_slice(b"\r\n");
}

/// RFC 9112 section 9.3: HTTP/1.1 persists unless it says close; HTTP/1.0 closes unless it says keep-alive.
pub fn persistence_line(out: &mut Vec<u8>, keep_alive: bool, version: Version) {
    match (keep_alive, version) {
        (false, _) => out.extend_from_slice(b"connection: close\r\n"),
        (true, Version::HTTP_10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, _) => {}
    }
}

/// Writes the names of a whole head's fields as `Content-Type`, for clients that compare them case by case.
pub fn title_names(head: &mut [u8]) {
    for line in head.split_mut(|byte| *byte == b'\n').skip(1) {
        let Some(name) = line.split_mut(|byte| *byte == b':').next() else { continue };
        match &*name {
            b"etag" => name.copy_from_slice(b"ETag"),
            b"www-authenticate" => name.copy_from_slice(b"WWW-Authenticate"),
            _ => {
                for word in name.split_mut(|byte| *byte == b'-') {
                    if let Some(first) = word.first_mut() {
                        first.make_ascii_uppercase();
                    }
                }
            }
        }
    }
}

/// Writes decimal digits.
pub fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_title_case() {
        let mut head = *b"HTTP/1.1 200 ok-is\r\ncontent-type: a-b:c\r\netag: \"x-y\"\r\nx-a--b: c\r\n\r\n";
        title_names(&mut head);
        let expected = "HTTP/1.1 200 ok-is\r\nContent-Type: a-b:c\r\nETag: \"x-y\"\r\nX-A--B: c\r\n\r\n";
        assert_eq!(str::from_utf8(&head), Ok(expected));
    }

    #[test]
    fn numbers() {
        for n in [0, 7, 10, 1_234_567, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, n);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }
}
