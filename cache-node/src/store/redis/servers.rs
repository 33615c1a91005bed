//! Which servers Redis is: one, a Cluster, or the master that Sentinels name; and how a connection to them is
//! made.

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisError,
    RedisResult, TlsCertificates,
};

use std::time::Duration;

use super::address::Address;
use super::sentinels::Sentinels;
use super::tls;
use crate::config::{RedisConfig, WrongSetting};

/// Commands that may wait to be written on one connection; the client's own default of 50 is little for a
/// pipeline.
const PIPELINE: usize = 1024;
/// A connection is dead if the server has not acknowledged data for this long. Only a Cluster's connections
/// wait for it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(1);
/// A call to a Cluster is repeated once, at once where a slot has moved, else within these milliseconds. The
/// client's own defaults are 16 times and up to 655 seconds.
const CLUSTER_RETRIES: u32 = 1;
const CLUSTER_RETRY_WAIT: (u64, u64) = (5, 20);

pub(crate) struct Servers {
    kind: Kind,
    config: AsyncConnectionConfig,
}

enum Kind {
    One(Client),
    Cluster { client: ClusterClient, seeds: Vec<Client> },
    Sentinel(Sentinels),
}

/// Carries any number of calls at a time; a clone is the same connection.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    /// Leads to all nodes of a Cluster. Follows slots that move, and mends what breaks.
    Cluster(ClusterConnection),
}

/// A connection, and the master it leads to, where there are Sentinels.
pub(crate) struct MasterConnection {
    pub(crate) connection: Connection,
    pub(crate) master: Option<Address>,
}

impl Servers {
    /// Connects to nothing yet. The settings are taken as checked, but for what the files for TLS hold.
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, WrongSetting> {
        let wrong = |error: RedisError| WrongSetting { setting: "url", text: error.to_string() };
        let certificates = tls::certificates(config)?;
        let clients = |urls: &[String]| -> RedisResult<Vec<Client>> {
            urls.iter()
                .map(|url| client(url.as_str().into_connection_info()?, certificates.as_ref()))
                .collect()
        };
        let clients = clients(&config.url.0).map_err(wrong)?;
        let kind = match (&config.sentinel, clients.first()) {
            (Some(master), _) => Kind::Sentinel(Sentinels::new(master, clients, config).map_err(wrong)?),
            (None, _) if config.cluster => {
                let client = cluster(config, certificates).map_err(wrong)?;
                Kind::Cluster { client, seeds: clients }
            }
            (None, Some(client)) => Kind::One(client.clone()),
            (None, None) => {
                return Err(WrongSetting { setting: "url", text: "names no server".to_owned() });
            }
        };
        let connections = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout.0))
            .set_response_timeout(Some(config.timeout.0))
            .set_pipeline_buffer_size(PIPELINE);
        Ok(Self { kind, config: connections })
    }

    pub(crate) async fn connect(&self) -> RedisResult<MasterConnection> {
        let (connection, master) = match &self.kind {
            Kind::One(client) => {
                let connection = client.get_multiplexed_async_connection_with_config(&self.config).await?;
                (Connection::One(connection), None)
            }
            Kind::Cluster { client, .. } => (Connection::Cluster(client.get_async_connection().await?), None),
            Kind::Sentinel(sentinels) => {
                let master = sentinels.master(&self.config).await?;
                (Connection::One(master.connection), Some(master.address))
            }
        };
        Ok(MasterConnection { connection, master })
    }

    /// Whether a connection still leads to where one made now would.
    pub(crate) fn is_current(&self, master: Option<&Address>) -> bool {
        match (&self.kind, master) {
            (Kind::Sentinel(sentinels), Some(master)) => sentinels.is_master(master),
            _ => true,
        }
    }

    /// Hears who is master, for ever; without Sentinels nobody tells.
    pub(crate) async fn listen(&self) {
        match &self.kind {
            Kind::Sentinel(sentinels) => sentinels.listen().await,
            Kind::One(_) | Kind::Cluster { .. } => std::future::pending().await,
        }
    }

    /// Until another server is master.
    pub(crate) async fn replaced(&self, master: Option<&Address>) {
        match (&self.kind, master) {
            (Kind::Sentinel(sentinels), Some(master)) => sentinels.replaced(master).await,
            _ => std::future::pending().await,
        }
    }

    /// A server that hears all news, and the master that it is. Any node of a Cluster hears all, so each
    /// attempt goes to the next one.
    pub(crate) async fn news_from(&self, attempt: usize) -> RedisResult<(Client, Option<Address>)> {
        match &self.kind {
            Kind::One(client) => Ok((client.clone(), None)),
            Kind::Cluster { seeds, .. } => {
                let seed = seeds.get(attempt % seeds.len().max(1)).cloned();
                let seed =
                    seed.ok_or_else(|| RedisError::from(std::io::Error::from(std::io::ErrorKind::NotFound)))?;
                Ok((seed, None))
            }
            Kind::Sentinel(sentinels) => {
                let master = sentinels.master(&self.config).await?;
                Ok((master.client, Some(master.address)))
            }
        }
    }
}

impl Connection {
    pub(crate) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// A client of one server, over TLS if its URL says so.
fn client(info: ConnectionInfo, certificates: Option<&TlsCertificates>) -> RedisResult<Client> {
    let info = info.set_tcp_settings(tcp_settings());
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        None => Client::open(info),
    }
}

fn cluster(config: &RedisConfig, certificates: Option<TlsCertificates>) -> RedisResult<ClusterClient> {
    let (shortest, longest) = CLUSTER_RETRY_WAIT;
    let mut builder = ClusterClient::builder(config.url.0.iter().map(String::as_str))
        .retries(CLUSTER_RETRIES)
        .min_retry_wait(shortest)
        .max_retry_wait(longest)
        .connection_timeout(config.connect_timeout.0)
        .response_timeout(config.timeout.0)
        .overall_response_timeout(Some(config.timeout.0))
        .tcp_settings(tcp_settings());
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    builder.build()
}

fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(UNACKNOWLEDGED)
}
