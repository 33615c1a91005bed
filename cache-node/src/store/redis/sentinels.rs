//! Which server is master now: asked of Sentinels, anew for each connection, so that one follows a failover.
//!
//! The redis crate has this too, but asks one Sentinel after the other with time limits of its own, of seconds: a dead
//! Sentinel, gone with the master it ran beside, would hold up each connection.

use futures_util::future::select_ok;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisConnectionInfo,
    RedisResult, Role, cmd,
};

use crate::config::RedisConfig;

pub(crate) struct Sentinels {
    clients: Vec<Client>,
    /// What they call the master.
    name: String,
    /// How the master is spoken to, wherever it is.
    manner: ConnectionInfo,
}

pub(crate) struct Master {
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
        Ok(Self { clients, name: name.to_owned(), manner })
    }

    /// All Sentinels are asked at once. The first who names a server that calls itself master is believed.
    pub(crate) async fn master(&self, config: &AsyncConnectionConfig) -> RedisResult<Master> {
        let asked = self.clients.iter().map(|sentinel| Box::pin(self.master_by(sentinel, config)));
        let (master, _) = select_ok(asked).await?;
        Ok(master)
    }

    async fn master_by(&self, sentinel: &Client, config: &AsyncConnectionConfig) -> RedisResult<Master> {
        let mut sentinel = sentinel.get_multiplexed_async_connection_with_config(config).await?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let Some((host, port)) = question.query_async::<Option<(String, u16)>>(&mut sentinel).await? else {
            return Err(
                (ErrorKind::MasterNameNotFoundBySentinel, "Sentinel does not know this master").into()
            );
        };
        let client = Client::open(self.manner.clone().set_addr(self.address(host, port)))?;
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
        // A master that has just come back may not know yet that it is a replica now.
        match cmd("ROLE").query_async(&mut connection).await? {
            Role::Primary { .. } => Ok(Master { client, connection }),
            _ => {
                Err((ErrorKind::MasterNameNotFoundBySentinel, "Sentinel names a server that is no master")
                    .into())
            }
        }
    }

    fn address(&self, host: String, port: u16) -> ConnectionAddr {
        match self.manner.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        }
    }
}
