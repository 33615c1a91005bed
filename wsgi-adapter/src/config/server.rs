//! An element of `servers`: one server of a pool. Also what the API takes and the state file holds, as JSON.

use std::net::IpAddr;

use process::settings::text_or_table;
use process::units::Time;
use serde::{Deserialize, Deserializer, Serialize};

use crate::address::{Address, Endpoint};

/// An element of `servers`: an address, or a table with one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerConfig {
    pub address: Address,
    pub weight: u32,
    /// Used only when no other server can be.
    pub backup: bool,
    /// Not used.
    pub down: bool,
    /// Used only for visitors that `sticky` has bound to it.
    pub drain: bool,
    /// Requests at this server at once. 0: no limit but the pool's.
    pub max_conns: usize,
    /// So many failures within `fail_timeout` and the server is left alone for `fail_timeout`. 0: never.
    pub max_fails: u32,
    pub fail_timeout: Time,
    /// After it has come back or was added, its weight grows from little to whole in this time.
    pub slow_start: Time,
    /// The name stands for all the addresses that it has in DNS, each a server; looked up again every
    /// `resolve_every`.
    pub resolve: bool,
    /// The address is listed already: this is one more server there, as nginx takes it.
    pub again: bool,
}

impl ServerConfig {
    /// A server with nothing said but its address.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            weight: 1,
            backup: false,
            down: false,
            drain: false,
            max_conns: 0,
            max_fails: 1,
            fail_timeout: Time::from_secs(10),
            slow_start: Time::from_secs(0),
            resolve: false,
            again: false,
        }
    }

    /// Its address is a name that is looked up again and again.
    pub(crate) fn stands_for_others(&self) -> bool {
        self.resolve || matches!(self.address.endpoint(), Endpoint::Srv(_))
    }

    /// What its types do not rule out: the key, and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !(1..=1000).contains(&self.weight) {
            return Err(("weight", "must be from 1 to 1000; write down = true for a server to leave out"));
        }
        let is_name = match self.address.endpoint() {
            Endpoint::Tcp { host, .. } => host.parse::<IpAddr>().is_err(),
            Endpoint::Srv(_) => true,
            Endpoint::Unix(_) => false,
        };
        if self.resolve && !is_name {
            return Err(("resolve", "the address is not a name that could be looked up"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for ServerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            address: Address,
            weight: Option<u32>,
            backup: Option<bool>,
            down: Option<bool>,
            drain: Option<bool>,
            max_conns: Option<usize>,
            max_fails: Option<u32>,
            fail_timeout: Option<Time>,
            slow_start: Option<Time>,
            resolve: Option<bool>,
            again: Option<bool>,
        }
        text_or_table(
            deserializer,
            "an address such as \"uwsgi://127.0.0.1:29000\", or a table with an `address`",
            Self::new,
            |table: Table| {
                let default = Self::new(table.address);
                Self {
                    weight: table.weight.unwrap_or(default.weight),
                    backup: table.backup.unwrap_or(default.backup),
                    down: table.down.unwrap_or(default.down),
                    drain: table.drain.unwrap_or(default.drain),
                    max_conns: table.max_conns.unwrap_or(default.max_conns),
                    max_fails: table.max_fails.unwrap_or(default.max_fails),
                    fail_timeout: table.fail_timeout.unwrap_or(default.fail_timeout),
                    slow_start: table.slow_start.unwrap_or(default.slow_start),
                    resolve: table.resolve.unwrap_or(default.resolve),
                    again: table.again.unwrap_or(default.again),
                    address: default.address,
                }
            },
        )
    }
}
