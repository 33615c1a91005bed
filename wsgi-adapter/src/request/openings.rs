//! What is sent before a request's body, once for each kind of server that a pool has. Mostly there is one.

use bytes::Bytes;
use weir_proto::origin::RequestHead;

use crate::config::PoolConfig;
use crate::error::Error;
use crate::request::BodyLength;
use crate::request::protocol::Dialect;

pub(crate) struct Openings<'a> {
    /// What others are made of; `None`: there are no others.
    source: Option<(&'a RequestHead, &'a PoolConfig)>,
    pub(crate) body: BodyLength,
    made: Vec<(Dialect, Bytes)>,
}

impl<'a> Openings<'a> {
    /// Makes the openings for all servers of the settings, so that a request which one of them would not take
    /// is refused before any is asked.
    pub(crate) fn new(head: &'a RequestHead, body: BodyLength, pool: &'a PoolConfig) -> Result<Self, Error> {
        let mut openings = Self { source: Some((head, pool)), body, made: Vec::with_capacity(1) };
        for server in &pool.servers {
            openings.of(Dialect::of(&server.address, pool))?;
        }
        Ok(openings)
    }

    /// The only opening, for a request without a body and servers that are all spoken to alike.
    pub(crate) fn only(dialect: Dialect, opening: Bytes) -> Self {
        Self { source: None, body: BodyLength::Nothing, made: vec![(dialect, opening)] }
    }

    pub(crate) fn of(&mut self, dialect: Dialect) -> Result<&[u8], Error> {
        let at = match self.made.iter().position(|(known, _)| *known == dialect) {
            Some(at) => at,
            None => {
                // A pool has servers of no other protocol than its settings name.
                let strange = || Error::Contract("a server of another protocol".into());
                let (head, pool) = self.source.ok_or_else(strange)?;
                self.made.push((dialect, dialect.opening(head, self.body, pool)?));
                self.made.len() - 1
            }
        };
        Ok(self.made.get(at).map_or(&[][..], |(_, opening)| opening))
    }
}
