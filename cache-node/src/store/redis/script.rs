//! Lua scripts that Redis runs in one step, called by their hash.

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, ToRedisArgs, cmd};

use super::servers::Connection;

pub(crate) struct Script {
    source: &'static str,
    hash: String,
}

/// One call, put together.
pub(crate) struct Invocation<'a> {
    script: &'a Script,
    keys: Vec<Vec<u8>>,
    args: Vec<Vec<u8>>,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        let hash = redis::Script::new(source).get_hash().to_owned();
        Self { source, hash }
    }

    pub(crate) fn prepare_invoke(&self) -> Invocation<'_> {
        Invocation { script: self, keys: Vec::new(), args: Vec::new() }
    }
}

impl Invocation<'_> {
    /// All keys of a call must share a cluster slot.
    pub(crate) fn key(&mut self, key: impl ToRedisArgs) -> &mut Self {
        key.write_redis_args(&mut self.keys);
        self
    }

    pub(crate) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        arg.write_redis_args(&mut self.args);
        self
    }

    /// A server that does not know the script gets it whole, and knows it then. (The redis crate would load
    /// it on all nodes of a Cluster, which fails while one of them is down.)
    pub(crate) async fn call<T: FromRedisValue>(&self, connection: &mut Connection) -> RedisResult<T> {
        match connection.query(&self.eval("EVALSHA", &self.script.hash)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                connection.query(&self.whole()).await
            }
            result => result,
        }
    }

    /// Also for a server that does not know the script.
    pub(crate) fn whole(&self) -> Cmd {
        self.eval("EVAL", self.script.source)
    }

    fn eval(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        command
    }
}
