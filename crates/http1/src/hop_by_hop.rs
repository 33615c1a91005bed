//! Names the fields that hold for one connection only.

/// Fields that a proxy never forwards (RFC 9110 section 7.6.1), and those of RFC 9111 section 3.1: "Header
/// fields that are specific to the proxy that a cache uses when forwarding a request MUST NOT be stored".
const NAMES: [&[u8]; 11] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
];

/// Tells whether a field of this name, in upper or lower case, holds for one connection.
#[inline]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    // Most fields end the search here.
    matches!(first, b'c' | b'h' | b'k' | b'p' | b't' | b'u') && is_listed(name)
}

fn is_listed(name: &[u8]) -> bool {
    NAMES.iter().any(|hop| name.eq_ignore_ascii_case(hop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_found() {
        assert!(NAMES.iter().all(|name| is_hop_by_hop(name)));
    }

    #[test]
    fn letters_may_be_of_either_case() {
        for (name, hop) in [
            ("connection", true),
            ("Transfer-Encoding", true),
            ("TE", true),
            ("transfer_encoding", false),
            ("cookie", false),
            ("", false),
        ] {
            assert_eq!(is_hop_by_hop(name.as_bytes()), hop, "{name}");
        }
    }
}
