//! uwsgi: one packet of variables, then the body as it is.

use bytes::Bytes;
use uwsgi::environ::{self, Manner};
use uwsgi::packet::Limits;
use weir_proto::origin::RequestHead;

use crate::config::PoolConfig;
use crate::error::Error;
use crate::request::{self, Told};

pub(super) fn opening(
    head: &RequestHead,
    body: Told,
    manner: Manner,
    pool: &PoolConfig,
) -> Result<Bytes, Error> {
    let fields = request::fields(head);
    let limits = Limits { block: pool.buffer_size.bytes(), variables: pool.max_vars };
    Ok(environ::packet(&request::described(head, &fields, body, manner, pool)?, limits)?)
}
