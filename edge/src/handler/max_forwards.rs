//! Max-Forwards of OPTIONS (RFC 9110 section 7.6.2). TRACE, the other method that has it, is refused.

use http::header::MAX_FORWARDS;
use http::{HeaderValue, Method};

use crate::request::Request;

/// "Each intermediary that receives a TRACE or OPTIONS request containing a Max-Forwards header field MUST
/// check and update its value prior to forwarding the request. If the received value is zero (0), the
/// intermediary MUST NOT forward the request; instead, the intermediary MUST respond as the final recipient."
///
/// True: the edge is the final recipient.
pub(super) fn ends_here(request: &mut Request) -> bool {
    if request.method != Method::OPTIONS {
        return false;
    }
    let value = request.headers.get(MAX_FORWARDS).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match value {
        Some(0) => true,
        Some(left) => {
            request.headers.insert(MAX_FORWARDS, HeaderValue::from(left - 1));
            false
        }
        None => false,
    }
}
