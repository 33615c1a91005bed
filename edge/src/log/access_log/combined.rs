//! nginx's `combined`: `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent
//! "$http_referer" "$http_user_agent"`, with nginx's escapes.

use std::io::Write;
use std::net::IpAddr;

use crate::log::access_log::stamp::Stamps;
use crate::log::access_log::{Record, cut};
use crate::variables::basic_credentials;

pub(super) fn format(line: &mut Vec<u8>, stamps: &mut Stamps, record: &Record<'_>) {
    client(line, record.client);
    line.extend_from_slice(b" - ");
    user(line, record);
    line.extend_from_slice(b" [");
    line.extend_from_slice(stamps.local(record.time).as_bytes());
    line.extend_from_slice(b"] \"");
    request(line, record);
    line.extend_from_slice(b"\" ");
    decimal(line, record.status.into());
    line.push(b' ');
    decimal(line, record.bytes);
    line.extend_from_slice(b" \"");
    header(line, record.referer);
    line.extend_from_slice(b"\" \"");
    header(line, record.user_agent);
    line.extend_from_slice(b"\"\n");
}

pub(super) fn client(line: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            decimal(line, a.into());
            for octet in [b, c, d] {
                line.push(b'.');
                decimal(line, octet.into());
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(address) => drop(write!(line, "{address}")),
    }
}

/// The name that the client gives, whether its password is right or not.
fn user(line: &mut Vec<u8>, record: &Record<'_>) {
    match record.authorization.and_then(basic_credentials::user) {
        Some(user) if !user.is_empty() => escape(line, cut(&user)),
        _ => line.push(b'-'),
    }
}

/// The request line, made from the parts that are known.
fn request(line: &mut Vec<u8>, record: &Record<'_>) {
    let start = line.len();
    for part in [record.method.as_bytes(), record.target, record.protocol.as_bytes()] {
        if line.len() > start && !part.is_empty() {
            line.push(b' ');
        }
        escape(line, cut(part));
    }
    if line.len() == start {
        line.push(b'-');
    }
}

fn header(line: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => escape(line, cut(value)),
        None => line.push(b'-'),
    }
}

/// Escapes byte for byte: `\xHH` for what could end the field or the line.
pub(super) fn escape(line: &mut Vec<u8>, field: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    // Looks at all bytes in any case, which the compiler turns into a few wide instructions.
    if !field.iter().fold(false, |found, byte| found | must_escape(*byte)) {
        line.extend_from_slice(field);
        return;
    }
    for byte in field {
        if must_escape(*byte) {
            line.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            line.push(*byte);
        }
    }
}

/// `write!` alone would take as long for numbers as the whole line does now.
pub(super) fn decimal(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Escapes as nginx's `ngx_http_log_escape` does: controls, quote, backslash, DEL and everything above.
fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x7f
}
