//! What is sent before a request's body, once for each kind of server that a pool has. Mostly there is one.

use bytes::Bytes;
use weir_proto::origin::RequestHead;

use crate::config::PoolConfig;
use crate::error::Error;
use crate::request::BodyLength;
use crate::request::protocol::Dialect;

pub(crate) struct Openings<'a> {
    head: &'a RequestHead,
    pool: &'a PoolConfig,
    pub(crate) body: BodyLength,
    made: Vec<(Dialect, Bytes)>,
}

impl<'a> Openings<'a> {
    /// Makes the openings for all servers of the settings, so that a request which one of them would not take
    /// is refused before any is asked.
    pub(crate) fn new(head: &'a RequestHead, body: BodyLength, pool: &'a PoolConfig) -> Result<Self, Error> {
        let mut openings = Self { head, pool, body, made: Vec::with_capacity(1) };
        for server in &pool.servers {
            openings.of(Dialect::of(&server.address, pool))?;
        }
        Ok(openings)
    }

    pub(crate) fn of(&mut self, dialect: Dialect) -> Result<Bytes, Error> {
        if let Some((_, opening)) = self.made.iter().find(|(known, _)| *known == dialect) {
            return Ok(opening.clone());
        }
        let opening = dialect.opening(self.head, self.body, self.pool)?;
        self.made.push((dialect, opening.clone()));
        Ok(opening)
    }
}
