//! Age: how long ago the application made a page that the cache serves.

use std::time::Duration;

use http::header::AGE;
use http::{HeaderMap, HeaderValue};

/// RFC 9111 section 5.1: a stored response is sent with its Age.
pub(super) fn write(headers: &mut HeaderMap, age: Duration) {
    headers.insert(AGE, HeaderValue::from(age.as_secs()));
}
