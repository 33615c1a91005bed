//! A reply from the page that somebody's request has begun: when its head goes out.

use std::sync::Arc;
use std::time::Duration;

use http_cache::Reason;
use process::wait::within;

use crate::cache::flights::{FirstSeat, ServedPage};
use crate::reply::{Reply, answer};
use crate::request::Request;

/// How long a head waits until it is known whether the page is stored: for the beginning of the body and, as
/// most pages come in one piece, for its end.
const FIRST_CHUNK: Duration = Duration::from_millis(20);
const REST: Duration = Duration::from_millis(5);

/// When the head of a page goes out to the visitor for whom it is made.
#[derive(Clone, Copy)]
pub(super) enum HeadTime {
    /// It says where the page is stored, if that is known in a moment.
    Soon,
    /// However slowly the page comes, not before it is known whether a token stands in it.
    OnceDecided,
}

/// The reply for a request that joined a flight; `None` if the page is not to be had after all. The error:
/// the page has a token, which was not made for this visitor.
pub(super) async fn from_flight(
    request: &Request,
    served: &Arc<ServedPage>,
    first: Option<FirstSeat>,
    head: HeadTime,
) -> Result<Option<Reply>, Reason> {
    let reader = match first.as_ref().and_then(FirstSeat::take_reader) {
        Some(reader) if matches!(head, HeadTime::OnceDecided) => {
            reader.decided().await;
            if let Some(Err(reason @ Reason::CsrfToken)) = reader.fate() {
                return Err(reason);
            }
            reader
        }
        Some(mut reader) => {
            if reader.fate().is_none() && within(FIRST_CHUNK, reader.begun()).await == Ok(true) {
                let _ = within(REST, reader.decided()).await;
            }
            reader
        }
        None => {
            let Some(mut reader) = served.body.reader() else { return Ok(None) };
            if !reader.begun().await {
                return Ok(None);
            }
            reader
        }
    };
    Ok(Some(answer::served(request, served, reader, first.is_some())))
}
