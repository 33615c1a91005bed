//! The writing of heads: status line and fields as bytes. Framing, date and persistence are the caller's to
//! choose.

use http::header::{CONNECTION, CONTENT_LENGTH, SERVER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode, Version};

/// RFC 9110 section 15: 1xx, 204 and 304 have no content.
pub fn bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Writes the status line and the reply's own fields but `last`, which the caller writes behind them.
pub fn start(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap, last: &[HeaderName]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        // Framing and persistence are the connection's own affair.
        if matches!(*name, CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION) || last.contains(name) {
            continue;
        }
        field_line(out, name.as_str(), value.as_bytes());
    }
    if !headers.contains_key(SERVER) {
        out.extend_from_slice(b"server: weir\r\n");
    }
}

pub fn field_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
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

/// Writes decimal digits.
pub fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for n in [0, 7, 10, 1_234_567, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, n);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }
}
