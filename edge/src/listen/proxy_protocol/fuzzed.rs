//! What the fuzz target of this header calls: read in pieces as they are asked for, it says one thing, and
//! asks for no byte that is not its own.

use super::{Header, LONGEST_HEAD, examine};

/// Reads what a connection begins with.
#[doc(hidden)]
pub fn read_proxy_header(bytes: &[u8]) {
    let mut end = 0;
    while let Header::Wants(more) = examine(&bytes[..end]) {
        assert!(more > 0 && end + more <= LONGEST_HEAD, "wants {more} more after {end}");
        // A line of version 1 ends before what was asked for.
        let asked = bytes.get(end..end + more).unwrap_or_default();
        let line_feed = asked.iter().position(|byte| *byte == b'\n').filter(|_| bytes[0] != b'\r');
        if asked.is_empty() {
            return;
        }
        end += line_feed.map_or(more, |at| at + 1);
    }
    let said = examine(&bytes[..end]);
    for cut in 0..end {
        let early = examine(&bytes[..cut]);
        assert!(matches!(early, Header::Wants(_)) || early == Header::Malformed && said == early);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_damaged_anywhere() {
        let one = include_bytes!("../../../../fuzz/seeds/proxy_protocol/one");
        let two = include_bytes!("../../../../fuzz/seeds/proxy_protocol/two");
        for header in [&one[..], &two[..]] {
            for at in 0..header.len() {
                read_proxy_header(&header[..at]);
                for bit in 0..8 {
                    let mut damaged = header.to_vec();
                    damaged[at] ^= 1 << bit;
                    read_proxy_header(&damaged);
                }
            }
        }
    }
}
