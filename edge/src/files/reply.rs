//! Makes the reply from a representation: all of it, a part, or what the request's conditions leave.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_cache::conditional::{
    Answer, ByteRange, Role, SelectedRepresentation, evaluate, headers_for_304, multipart,
    unsatisfiable_range,
};

use crate::files::handles::SharedFile;
use crate::files::resource::Representation;
use crate::files::stream::FileStream;
use crate::files::{FileBody, FileReply, FileRequest};

/// Where the content comes from.
pub(super) enum Content {
    Memory(Bytes),
    /// The open file, and its name.
    Disk(Arc<SharedFile>, Arc<Path>),
}

pub(super) fn reply(
    request: &FileRequest<'_>,
    representation: &Representation,
    content: Content,
    now: SystemTime,
) -> FileReply {
    let length = representation.stamp.length;
    let headers = &representation.headers;
    let kept = matches!(content, Content::Memory(_)).then(|| representation.kept.clone());
    let selected =
        SelectedRepresentation { status: StatusCode::OK, headers, length, received: now, role: Role::Origin };
    let (status, headers, body) = match evaluate(request.method, request.headers, &selected) {
        Answer::Full if *request.method == Method::HEAD => (StatusCode::OK, headers.clone(), FileBody::Empty),
        Answer::Full => (StatusCode::OK, headers.clone(), part(representation, content, 0, length)),
        Answer::Parts(ranges) => {
            let (headers, body) = parts(representation, content, &ranges);
            (StatusCode::PARTIAL_CONTENT, headers, body)
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
    FileReply { status, headers, body, last_modified: representation.stamp.modified, kept }
}

/// The bytes from `start` up to but not including `end`.
fn part(representation: &Representation, content: Content, start: u64, end: u64) -> FileBody {
    match content {
        Content::Memory(bytes) => FileBody::Memory(slice(&bytes, start, end)),
        Content::Disk(file, path) => {
            FileBody::Stream(FileStream::new(file, path, representation.stamp.length, start, end))
        }
    }
}

/// Several parts in one body, multipart/byteranges, and the fields that say so.
fn parts(representation: &Representation, content: Content, ranges: &[ByteRange]) -> (HeaderMap, FileBody) {
    let boundary = format!("{:032x}", rand::random::<u128>());
    let (length, mut headers) = (representation.stamp.length, representation.headers.clone());
    let content_type = headers.get(CONTENT_TYPE).cloned();
    if let Some(media_type) = multipart::media_type(&boundary) {
        headers.insert(CONTENT_TYPE, media_type);
    }
    let body = match content {
        Content::Memory(bytes) => {
            FileBody::Memory(multipart::body(ranges, &bytes, content_type.as_ref(), &boundary))
        }
        Content::Disk(file, path) => {
            let text = |range| multipart::before(range, length, content_type.as_ref(), &boundary);
            let parts = ranges.iter().map(|range| (text(range), range.first, range.last + 1));
            let end = (multipart::end(&boundary), 0, 0);
            FileBody::Stream(FileStream::parts(file, path, length, parts.chain([end]).collect()))
        }
    };
    let whole = match &body {
        FileBody::Stream(stream) => stream.remaining(),
        FileBody::Memory(bytes) => bytes.len() as u64,
        FileBody::Empty => 0,
    };
    headers.insert(CONTENT_LENGTH, whole.into());
    (headers, body)
}

fn slice(bytes: &Bytes, start: u64, end: u64) -> Bytes {
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(within(start)..within(end).max(within(start)))
}

fn no_content() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("0"))])
}
