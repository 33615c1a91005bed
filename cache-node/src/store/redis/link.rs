//! Connections to Redis: a small pool of multiplexed ones, each call bounded in time, broken ones replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{FromRedisValue, RedisError};
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Address;
use super::fault::{Fault, late};
use super::script::Invocation;
use super::servers::{self, MasterConnection, Servers};

/// Failures in a row that end a connection to a Cluster: one lost node says nothing of the others, and is
/// mended.
const FAILURES_IN_CLUSTER: u32 = 8;

/// Calls share the connections: one is taken only to get its handle, and given back before the call goes out.
pub(crate) struct Link {
    pool: bb8::Pool<Connector>,
    connections: u32,
    timeout: Duration,
    /// Why the last attempt to connect failed; the pool itself says only that none came in time.
    failure: Arc<Mutex<Option<RedisError>>>,
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

/// The redis crate's own bb8 manager never calls a connection broken, so a dead one would stay in the pool
/// for ever.
struct Connector {
    servers: Arc<Servers>,
    failure: Arc<Mutex<Option<RedisError>>>,
}

#[derive(Clone)]
struct PooledConnection {
    redis: servers::Connection,
    master: Option<Address>,
    servers: Arc<Servers>,
    /// Failures in a row.
    failures: Arc<AtomicU32>,
}

impl Link {
    /// Connects when first used.
    pub(crate) fn new(
        servers: Arc<Servers>,
        connections: u32,
        timeout: Duration,
        connect_timeout: Duration,
    ) -> Self {
        let failure = Arc::new(Mutex::new(None));
        let pool = bb8::Pool::builder()
            .max_size(connections)
            // The pool opens a connection only where none is idle, and ours are idle at once.
            .min_idle(connections)
            .test_on_check_out(false)
            .connection_timeout(connect_timeout)
            .build_unchecked(Connector { servers, failure: failure.clone() });
        Self { pool, connections, timeout, failure }
    }

    /// A call that is late may still be obeyed. Then `undo` follows it, on the same connection, and nobody
    /// waits for that.
    pub(crate) async fn call_or_undo<T: FromRedisValue>(
        &self,
        call: &Invocation<'_>,
        undo: Option<&Invocation<'_>>,
    ) -> Result<T, CallError> {
        let deadline = Instant::now() + self.timeout;
        let connected = timeout_at(deadline, self.connection()).await;
        let mut connection: PooledConnection = connected.unwrap_or_else(|_| Err(self.not_connected()))?;
        let result = match timeout_at(deadline, call.call(&mut connection.redis)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if !error.is_timeout() => Err(CallError::Redis(error)),
            Ok(Err(_)) | Err(_) => Err(CallError::Timeout(self.timeout)),
        };
        connection.note(result.as_ref().err().map(CallError::fault));
        if let (Err(CallError::Timeout(_)), Some(undo)) = (&result, undo) {
            let (undo, within) = (undo.whole(), self.timeout);
            tokio::spawn(async move {
                let _ = timeout(within, connection.redis.query::<redis::Value>(&undo)).await;
            });
        }
        result
    }

    async fn connection(&self) -> Result<PooledConnection, CallError> {
        for _ in 0..self.connections {
            let pooled = self.pool.get().await.map_err(|error| self.refused(error))?;
            // A broken one ends here: `has_broken` keeps it out of the pool.
            if !pooled.is_broken() {
                return Ok(pooled.clone());
            }
        }
        Ok(self.pool.get().await.map_err(|error| self.refused(error))?.clone())
    }

    fn refused(&self, error: bb8::RunError<RedisError>) -> CallError {
        match error {
            bb8::RunError::User(error) => CallError::Connect(error),
            bb8::RunError::TimedOut => self.not_connected(),
        }
    }

    fn not_connected(&self) -> CallError {
        let failure = self.failure.lock().clone();
        CallError::Connect(failure.unwrap_or_else(late))
    }
}

impl CallError {
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Timeout(_) => Fault::Timeout,
            Self::Connect(error) => match Fault::of(error) {
                Fault::Denied => Fault::Denied,
                _ => Fault::Connect,
            },
            Self::Redis(error) => Fault::of(error),
        }
    }
}

impl PooledConnection {
    fn is_broken(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= self.may_fail()
            || !self.servers.is_current(self.master.as_ref())
    }

    fn may_fail(&self) -> u32 {
        match self.redis {
            servers::Connection::One(_) => 1,
            servers::Connection::Cluster(_) => FAILURES_IN_CLUSTER,
        }
    }

    /// What a call's end says of the connection. A broken one is not whole again.
    fn note(&self, fault: Option<Fault>) {
        let after = |failures: u32| match fault {
            _ if failures >= self.may_fail() => None,
            Some(fault) if fault.spoils_connection() => Some(failures + 1),
            _ => Some(0),
        };
        let _ = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after);
    }
}

impl bb8::ManageConnection for Connector {
    type Connection = PooledConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<PooledConnection, RedisError> {
        let connected = self.servers.connect().await;
        *self.failure.lock() = connected.as_ref().err().cloned();
        let MasterConnection { connection, master } = connected?;
        Ok(PooledConnection {
            redis: connection,
            master,
            servers: self.servers.clone(),
            failures: Arc::default(),
        })
    }

    /// Never asked: connections are not tested when they are taken, which would cost a round trip per call.
    async fn is_valid(&self, _: &mut PooledConnection) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut PooledConnection) -> bool {
        connection.is_broken()
    }
}
