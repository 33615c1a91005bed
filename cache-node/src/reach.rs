//! Whether Redis can be used, for `weir doctor`.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use crate::config::RedisConfig;
use crate::store::redis::servers::Servers;

/// Longer than the node itself ever waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far Redis's clock is ahead of ours, in seconds; what is wrong if it cannot be asked.
pub async fn reach_redis(config: &RedisConfig) -> Result<f64, String> {
    let servers = Servers::new(config).map_err(|wrong| wrong.to_string())?;
    let asked = async {
        let mut connected = servers.connect().await?;
        let time = redis::cmd("TIME");
        connected.connection.query::<(u64, u64)>(&time).await
    };
    let (seconds, microseconds) = match timeout(PATIENCE, asked).await {
        Ok(Ok(time)) => time,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(seconds as f64 + microseconds as f64 / 1e6 - ours.as_secs_f64())
}
