//! Makes the reply from a representation: all of it, a part, or what the request's conditions leave.

use std::fs::File;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_cache::conditional::{Answer, Role, Selected, evaluate, headers_for_304, unsatisfiable_range};

use crate::files::resource::Representation;
use crate::files::stream::FileStream;
use crate::files::{FileBody, FileReply, FileRequest};

/// Where the content comes from.
pub(super) enum Content {
    Memory(Bytes),
    Disk(File),
}

pub(super) fn reply(
    request: &FileRequest<'_>,
    representation: &Representation,
    content: Content,
    now: SystemTime,
) -> FileReply {
    let length = representation.stamp.length;
    let headers = &representation.headers;
    let selected = Selected { status: StatusCode::OK, headers, length, received: now, role: Role::Origin };
    let (status, headers, body) = match evaluate(request.method, request.headers, &selected) {
        Answer::Full if *request.method == Method::HEAD => (StatusCode::OK, headers.clone(), FileBody::Empty),
        // A request for several parts of a file gets the whole file.
        Answer::Full | Answer::Parts(_) => {
            (StatusCode::OK, headers.clone(), part(representation, content, 0, length))
        }
        Answer::Partial(range) => {
            let end = range.last + 1;
            let mut headers = headers.clone();
            headers.insert(CONTENT_LENGTH, (end - range.first).into());
            headers.insert(CONTENT_RANGE, range.content_range(length));
            (StatusCode::PARTIAL_CONTENT, headers, part(representation, content, range.first, end))
        }
        Answer::NotModified => (StatusCode::NOT_MODIFIED, headers_for_304(headers), FileBody::Empty),
        Answer::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, no_content(), FileBody::Empty),
        Answer::Unsatisfiable => {
            let mut headers = no_content();
            headers.insert(CONTENT_RANGE, unsatisfiable_range(length));
            (StatusCode::RANGE_NOT_SATISFIABLE, headers, FileBody::Empty)
        }
    };
    FileReply { status, headers, body, last_modified: representation.stamp.modified }
}

/// The bytes from `start` up to but not including `end`.
fn part(representation: &Representation, content: Content, start: u64, end: u64) -> FileBody {
    match content {
        Content::Memory(bytes) => FileBody::Memory(slice(&bytes, start, end)),
        Content::Disk(file) => FileBody::Stream(FileStream::new(file, representation.stamp, start, end)),
    }
}

fn slice(bytes: &Bytes, start: u64, end: u64) -> Bytes {
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(within(start)..within(end).max(within(start)))
}

fn no_content() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("0"))])
}
