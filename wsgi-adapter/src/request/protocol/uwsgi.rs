//! uwsgi: one packet of variables, then the body as it is.

use bytes::Bytes;
use cgi::environ::Manner;
use uwsgi::packet::{self, PacketLimits};
use weir_proto::origin::RequestHead;

use crate::config::PoolConfig;
use crate::error::Error;
use crate::request::{self, BodyLength, RequestLists};

pub(super) fn opening(
    head: &RequestHead,
    body: BodyLength,
    manner: Manner,
    pool: &PoolConfig,
) -> Result<Bytes, Error> {
    let lists = RequestLists::of(head, pool);
    let limits = PacketLimits { block: pool.buffer_size.bytes(), variables: pool.max_vars };
    Ok(packet::encode(&request::described(head, &lists, body, manner, pool)?, limits)?)
}
