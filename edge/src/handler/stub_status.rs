//! nginx's `stub_status`: connections and requests in a few lines of text.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::Edge;
use crate::metrics::CacheResult;
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, ReplyParts, error};

pub(super) fn answer(edge: &Edge, method: &Method) -> Reply {
    if *method != Method::GET && *method != Method::HEAD {
        return error::method_not_allowed();
    }
    let metrics = &edge.metrics;
    let active = metrics.connections_active.get().max(1);
    let accepted = metrics.connections_accepted.get();
    let of_location = |result: &CacheResult| {
        metrics.locations().iter().map(|location| location.requests(*result)).sum::<u64>()
    };
    // This request is counted when it has ended.
    let requests = CacheResult::ALL.iter().map(of_location).sum::<u64>() + 1;
    let writing = metrics.requests_active.get().clamp(1, active);
    let text = format!(
        "Active connections: {active} \nserver accepts handled requests\n {accepted} {accepted} {requests} \n\
         Reading: 0 Writing: {writing} Waiting: {} \n",
        active - writing
    );
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/plain")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]);
    ReplyParts::new(StatusCode::OK, headers, ReplyBody::Whole(Bytes::from(text))).noting(CacheResult::Own)
}
