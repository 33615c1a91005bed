//! A reply that breaks off before its first byte is not a reply. The head waits a moment for the first chunk,
//! so that a failure instead of it becomes an error page and not half a page, and so that head and chunk are
//! sent together.

use process::wait::within;
use weir_proto::origin::Kind;

use crate::application::Failure;
use crate::application::reply::MOMENT;
use crate::reply::body::ReplyBody;
use crate::reply::{Reply, error};

pub(crate) async fn settle(mut reply: Reply) -> Reply {
    if reply.status.is_informational() {
        // Another protocol follows, and the client may speak first in it.
        return reply;
    }
    let body = match &mut reply.body {
        ReplyBody::Part(part) => part.whole(),
        ReplyBody::Filled(filled) => filled.body_mut(),
        body => body,
    };
    let begun = match body {
        ReplyBody::Origin(body) => body.begin().await,
        ReplyBody::Growing(reader) => match within(MOMENT, reader.begun()).await {
            Ok(false) => Err(Failure::new(Kind::CutOff, "the page broke off before it began")),
            Ok(true) | Err(_) => Ok(()),
        },
        _ => Ok(()),
    };
    let Err(failure) = begun else { return reply };
    let mut page = error::application(&failure);
    page.note = reply.note;
    page
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::cache::shared_body::{IncompleteBody, SharedBody};
    use crate::connection::bodies::Bodies;
    use crate::reply::ReplyParts;

    async fn settled(pieces: &[&'static str], end: Option<Result<(), IncompleteBody>>) -> StatusCode {
        let body = SharedBody::new(100, &Bodies::new(100));
        let reader = body.reader().unwrap();
        for piece in pieces {
            body.push((*piece).into()).await;
        }
        if let Some(end) = end {
            body.end(end);
        }
        settle(ReplyParts::new(StatusCode::OK, HeaderMap::new(), ReplyBody::Growing(reader))).await.status
    }

    #[tokio::test]
    async fn what_breaks_off_before_its_first_byte_is_a_502() {
        assert_eq!(settled(&[], Some(Err(IncompleteBody))).await, StatusCode::BAD_GATEWAY);
        assert_eq!(settled(&[], Some(Ok(()))).await, StatusCode::OK);
        assert_eq!(settled(&["one"], None).await, StatusCode::OK);
        // No chunk yet: the head is sent alone.
        assert_eq!(settled(&[], None).await, StatusCode::OK);
    }
}
