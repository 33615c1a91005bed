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

/// Fields that Connection cannot make the connection's own: they say whose a reply is, how long it holds, and
/// what its content is.
///
/// RFC 9110 section 7.6.1: "A sender MUST NOT send a connection option corresponding to a field that is
/// intended for all recipients of the content. For example, Cache-Control is never appropriate as a
/// connection option". A reply that loses its `private` or its Set-Cookie that way would be shared.
const FOR_ALL: [&[u8]; 26] = [
    b"age",
    b"cache-control",
    b"cache-groups",
    b"cache-tag",
    b"cdn-cache-control",
    b"content-encoding",
    b"content-language",
    b"content-location",
    b"content-range",
    b"content-security-policy",
    b"content-type",
    b"date",
    b"edge-cache-tag",
    b"etag",
    b"expires",
    b"last-modified",
    b"location",
    b"set-cookie",
    b"surrogate-control",
    b"surrogate-key",
    b"vary",
    b"weir-cache-control",
    b"weir-holes",
    b"www-authenticate",
    b"x-accel-expires",
    b"x-accel-redirect",
];

/// Tells whether a reply's field of this name, in upper or lower case, stays although Connection names it.
pub fn is_for_all(name: &[u8]) -> bool {
    FOR_ALL.iter().any(|field| name.eq_ignore_ascii_case(field))
}

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
    fn what_is_for_all_is_not_the_connections_own() {
        assert!(FOR_ALL.iter().all(|name| is_for_all(name) && !is_hop_by_hop(name)));
        assert!(FOR_ALL.is_sorted());
        assert!(is_for_all(b"Set-Cookie") && !is_for_all(b"x-user") && !is_for_all(b"close"));
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
