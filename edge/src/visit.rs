//! What the handler of a request and the connection that it came by tell each other beside the reply.

use tracing::Span;

use crate::leaving::GivenUp;
use crate::request::Request;
use crate::spans;

pub(crate) struct Visit {
    pub(crate) span: Span,
    pub(crate) given_up: GivenUp,
}

impl Visit {
    pub(crate) fn of(request: &Request) -> Self {
        Self { span: spans::of_request(request), given_up: GivenUp::default() }
    }
}
