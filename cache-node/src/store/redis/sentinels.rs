//! Which server is master now: asked of Sentinels for each connection, and heard from them when another takes
//! over. The old one may live on for a while and take writes that are lost, so connections to it must not be
//! kept.
//!
//! The redis crate asks Sentinels too, but one after the other with time limits of its own, of seconds: a
//! dead Sentinel, gone with the master it ran beside, would hold up each connection. And it does not listen.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{join_all, select_ok};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisConnectionInfo,
    RedisError, RedisResult, Role, cmd,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::address::Address;
use super::fault::late;
use super::ping::PING_EVERY;
use crate::config::RedisConfig;

const CHANNEL: &str = "+switch-master";
/// Between attempts to listen to a Sentinel.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Sentinels {
    clients: Vec<Client>,
    /// What they call the master.
    name: String,
    /// How the master is spoken to, wherever it is.
    manner: ConnectionInfo,
    /// The master that was told last, once `listen` has heard of one.
    told: watch::Sender<Option<Address>>,
    timeout: Duration,
}

pub(crate) struct Master {
    pub(crate) address: Address,
    pub(crate) client: Client,
    pub(crate) connection: MultiplexedConnection,
}

impl Sentinels {
    /// `clients` have the Sentinels' addresses and the master's user, password and database.
    pub(crate) fn new(name: &str, clients: Vec<Client>, config: &RedisConfig) -> RedisResult<Self> {
        let Some(manner) = clients.first().map(|client| client.get_connection_info().clone()) else {
            return Err((ErrorKind::EmptySentinelList, "names no server").into());
        };
        let mut login = RedisConnectionInfo::default();
        if let Some(user) = &config.sentinel_user {
            login = login.set_username(user);
        }
        if let Some(password) = &config.sentinel_password {
            login = login.set_password(password);
        }
        let as_sentinel = |client: Client| {
            Client::open(client.get_connection_info().clone().set_redis_settings(login.clone()))
        };
        let clients = clients.into_iter().map(as_sentinel).collect::<RedisResult<_>>()?;
        let told = watch::Sender::new(None);
        Ok(Self { clients, name: name.to_owned(), manner, told, timeout: config.connect_timeout.0 })
    }

    /// All Sentinels are asked at once. The first who names a server that calls itself master is believed.
    pub(crate) async fn master(&self, config: &AsyncConnectionConfig) -> RedisResult<Master> {
        let asked = self.clients.iter().map(|sentinel| Box::pin(self.master_by(sentinel, config)));
        let (master, _) = select_ok(asked).await?;
        Ok(master)
    }

    async fn master_by(&self, sentinel: &Client, config: &AsyncConnectionConfig) -> RedisResult<Master> {
        let mut sentinel = sentinel.get_multiplexed_async_connection_with_config(config).await?;
        let address = self.named_by(&mut sentinel).await?;
        if !self.is_master(&address) {
            return Err(no_master("Sentinel names a server that is no longer master"));
        }
        let client = Client::open(self.manner.clone().set_addr(self.address(&address)))?;
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
        // One that has just come back may know before its Sentinels that it is a replica, or after them.
        match cmd("ROLE").query_async(&mut connection).await? {
            Role::Primary { .. } => Ok(Master { address, client, connection }),
            _ => Err(no_master("Sentinel names a server that does not call itself master")),
        }
    }

    async fn named_by(&self, sentinel: &mut MultiplexedConnection) -> RedisResult<Address> {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let named: Option<(String, u16)> = question.query_async(sentinel).await?;
        named
            .map(|(host, port)| Address { host, port })
            .ok_or_else(|| no_master("Sentinel knows no such master"))
    }

    /// Not if another took over, as far as was told.
    pub(crate) fn is_master(&self, address: &Address) -> bool {
        self.told.borrow().as_ref().is_none_or(|told| told == address)
    }

    /// Until another took over.
    pub(crate) async fn replaced(&self, address: &Address) {
        let another = |told: &Option<Address>| told.as_ref().is_some_and(|told| told != address);
        let _ = self.told.subscribe().wait_for(another).await;
    }

    /// Hears from all Sentinels, for ever, which server is master.
    pub(crate) async fn listen(&self) {
        let listening = self.clients.iter().map(async |sentinel| {
            loop {
                let _ = self.listen_to(sentinel).await;
                sleep(LISTEN_AGAIN.mul_f64(0.5 + rand::random::<f64>())).await;
            }
        });
        join_all(listening).await;
    }

    /// Until the connection ends, or does not answer.
    async fn listen_to(&self, sentinel: &Client) -> RedisResult<()> {
        let subscribing = async {
            let (mut sink, messages) = sentinel.get_async_pubsub().await?.split();
            sink.subscribe(CHANNEL).await?;
            let config = AsyncConnectionConfig::new();
            let mut asked = sentinel.get_multiplexed_async_connection_with_config(&config).await?;
            // What was told before this.
            let address = self.named_by(&mut asked).await?;
            RedisResult::Ok((sink, messages, address))
        };
        let (mut sink, mut messages, address) =
            timeout(self.timeout, subscribing).await.map_err(|_| late())??;
        self.tell(address);
        let mut ping_at = Instant::now() + PING_EVERY;
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => {
                        if let Some(address) = self.master_in(message.get_payload_bytes()) {
                            self.tell(address);
                        }
                    }
                    None => return Ok(()),
                },
                () = sleep_until(ping_at) => {
                    timeout(self.timeout, sink.ping::<redis::Value>()).await.map_err(|_| late())??;
                    ping_at = Instant::now() + PING_EVERY;
                }
            }
        }
    }

    fn tell(&self, address: Address) {
        self.told.send_if_modified(|told| {
            let changed = told.as_ref() != Some(&address);
            *told = Some(address);
            changed
        });
    }

    /// The new master in a message: `NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT`.
    fn master_in(&self, message: &[u8]) -> Option<Address> {
        let mut words = std::str::from_utf8(message).ok()?.split(' ');
        (words.next()? == self.name).then_some(())?;
        Some(Address { host: words.nth(2)?.to_owned(), port: words.next()?.parse().ok()? })
    }

    fn address(&self, Address { host, port }: &Address) -> ConnectionAddr {
        let (host, port) = (host.clone(), *port);
        match self.manner.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        }
    }
}

fn no_master(text: &'static str) -> RedisError {
    (ErrorKind::MasterNameNotFoundBySentinel, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_believed_of_this_master_only() {
        let clients = vec![Client::open("redis://sentinel").unwrap()];
        let sentinels = Sentinels::new("mine", clients, &RedisConfig::at("redis://sentinel")).unwrap();
        let address = |host: &str, port| Address { host: host.to_owned(), port };
        assert!(sentinels.is_master(&address("a", 1)), "nothing was told");
        for (message, told) in [
            ("mine a 1 b 2", Some(address("b", 2))),
            ("mine a 1 ::1 65535", Some(address("::1", 65535))),
            ("other a 1 b 2", None),
            ("mine", None),
            ("mine a 1 b", None),
            ("mine a 1 b x", None),
            ("", None),
        ] {
            assert_eq!(sentinels.master_in(message.as_bytes()), told, "{message}");
        }
        sentinels.tell(address("b", 2));
        assert!(sentinels.is_master(&address("b", 2)) && !sentinels.is_master(&address("a", 1)));
    }
}
