//! A real redis-server of a test's own, with a client for what a test does to it.

use weir_tests::Redis;

pub(crate) struct RedisServer(pub(crate) Redis);

impl RedisServer {
    pub(crate) async fn start() -> Self {
        Self(Redis::start())
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    pub(crate) async fn connect(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) fn kill(&self) {
        self.0.process.kill();
    }

    /// Empty, on the same port, after `kill`.
    pub(crate) async fn start_again(&self) {
        self.0.start_again();
    }

    /// Stops answering, connections stay open.
    pub(crate) fn freeze(&self) {
        self.0.process.stop();
    }

    pub(crate) fn thaw(&self) {
        self.0.process.go_on();
    }
}
