//! The simulator's Redis as a program that takes redis-server's arguments, so that the cache-node's own
//! tests of stores can be held against it (`deploy/setup/test.sh`).

use weir_simulator::redis::RedisTwin;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let port = arguments.windows(2).find(|pair| pair[0] == "--port").map_or("6379", |pair| &pair[1]);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    RedisTwin::new(None).serve(listener).await;
    Ok(())
}
