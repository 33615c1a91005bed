//! What the handler of a request and the connection that it came by tell each other beside the reply.

use tracing::Span;

use crate::http1::abandon::GivenUp;
use crate::log::spans;
use crate::request::Request;

pub(crate) struct Visit {
    pub(crate) span: Span,
    pub(crate) given_up: GivenUp,
}

impl Visit {
    pub(crate) fn of(request: &Request) -> Self {
        Self { span: spans::of_request(request), given_up: GivenUp::default() }
    }
}
