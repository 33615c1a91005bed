//! Connections to Redis: a small pool of multiplexed ones, each call bounded in time, broken ones replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError, ScriptInvocation};
use tokio::time::{Instant, timeout_at};

/// Commands that may wait to be written on one connection; the client's own default of 50 is little for a pipeline.
const PIPELINE: usize = 1024;

/// Calls share the connections: one is taken only to get its handle, and given back before the call goes out.
pub(crate) struct Link {
    pool: bb8::Pool<Connector>,
    connections: u32,
    timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("cannot connect: {0}")]
    Connect(RedisError),
    #[error("{0}")]
    Redis(RedisError),
}

/// The redis crate's own bb8 manager never calls a connection broken, so a dead one would stay in the pool for ever.
struct Connector {
    client: Client,
    config: AsyncConnectionConfig,
}

#[derive(Clone)]
struct Connection {
    redis: MultiplexedConnection,
    broken: Arc<AtomicBool>,
}

impl Link {
    /// Connects when first used.
    pub(crate) fn new(
        client: Client,
        connections: u32,
        timeout: Duration,
        connect_timeout: Duration,
    ) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(timeout))
            .set_pipeline_buffer_size(PIPELINE);
        let pool = bb8::Pool::builder()
            .max_size(connections)
            // The pool opens a connection only where none is idle, and ours are idle at once.
            .min_idle(connections)
            .test_on_check_out(false)
            .connection_timeout(connect_timeout)
            .build_unchecked(Connector { client, config });
        Self { pool, connections, timeout }
    }

    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, CallError> {
        let deadline = Instant::now() + self.timeout;
        let late = |_| CallError::Timeout(self.timeout);
        let mut connection = timeout_at(deadline, self.connection()).await.map_err(late)??;
        let result = timeout_at(deadline, script.invoke_async(&mut connection.redis)).await;
        let broken = match &result {
            Err(_) => true,
            Ok(Err(error)) => error.is_io_error() || error.is_unrecoverable_error(),
            Ok(Ok(_)) => false,
        };
        if broken {
            connection.broken.store(true, Ordering::Relaxed);
        }
        result.map_err(late)?.map_err(|error| match error.is_timeout() {
            true => CallError::Timeout(self.timeout),
            false => CallError::Redis(error),
        })
    }

    async fn connection(&self) -> Result<Connection, CallError> {
        for _ in 0..self.connections {
            let pooled = self.pool.get().await.map_err(refused)?;
            // A broken one ends here: `has_broken` keeps it out of the pool.
            if !pooled.broken.load(Ordering::Relaxed) {
                return Ok(pooled.clone());
            }
        }
        Ok(self.pool.get().await.map_err(refused)?.clone())
    }
}

fn refused(error: bb8::RunError<RedisError>) -> CallError {
    match error {
        bb8::RunError::User(error) => CallError::Connect(error),
        bb8::RunError::TimedOut => {
            CallError::Connect(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
        }
    }
}

impl bb8::ManageConnection for Connector {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Connection, RedisError> {
        let redis = self.client.get_multiplexed_async_connection_with_config(&self.config).await?;
        Ok(Connection { redis, broken: Arc::default() })
    }

    /// Never asked: connections are not tested when they are taken, which would cost a round trip per call.
    async fn is_valid(&self, _: &mut Connection) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.broken.load(Ordering::Relaxed)
    }
}
