//! Answers as an admin listener gives them: never cached, never taken for another type than they say.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use tokio::sync::mpsc::Receiver;

use crate::answer_body::AnswerBody;

pub type Answer = Response<AnswerBody>;

/// Plain text, a line at least.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    of_type(status, "text/plain; charset=utf-8", text)
}

pub fn of_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    with_body(status, content_type, AnswerBody::Whole(body.into()))
}

/// An answer that goes on for as long as its sender does, one line of JSON after the other. Each piece is
/// sent as it comes.
pub fn lines(pieces: Receiver<Bytes>) -> Answer {
    with_body(StatusCode::OK, "application/x-ndjson", AnswerBody::Lines(pieces))
}

fn with_body(status: StatusCode, content_type: &'static str, body: AnswerBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// This answer to GET and HEAD; 405 to any other method.
pub fn to_read(method: &Method, answer: Answer) -> Answer {
    if matches!(*method, Method::GET | Method::HEAD) {
        return answer;
    }
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refused
}
