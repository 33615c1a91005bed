//! gRPC's own health protocol, asked from outside: by the `healthcheck` of a container without a shell, and
//! by services that call another.

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::transport::Transport;

const PATIENCE: Duration = Duration::from_secs(2);

/// Why a service is not ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthFailure {
    #[error("nothing answers at {0}")]
    NoAnswer(String),
    #[error("not ready")]
    NotReady,
}

/// Asks the service that listens on `address` ("127.0.0.1:7101") whether it accepts calls. Takes a few
/// seconds at most.
pub async fn check(address: &str) -> Result<(), HealthFailure> {
    // "0.0.0.0:7101" is an address to listen on, not one to connect to.
    let target = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let no_answer = || HealthFailure::NoAnswer(target.clone());
    let endpoint = Endpoint::from_shared(format!("http://{target}")).map_err(|_| no_answer())?;
    let asked = async {
        let channel = endpoint.connect_timeout(PATIENCE).connect().await.ok()?;
        HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await.ok()
    };
    let reply = tokio::time::timeout(PATIENCE, asked).await.ok().flatten().ok_or_else(no_answer)?;
    match reply.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        _ => Err(HealthFailure::NotReady),
    }
}

/// Whether the peer says that it accepts calls for `service`. A peer without health checks does. An error: it
/// does not answer. Has no deadline of its own.
pub async fn serves(transport: Transport, service: &str) -> Result<bool, Status> {
    let asked = HealthClient::new(transport).check(HealthCheckRequest { service: service.to_owned() }).await;
    match asked {
        Ok(reply) => Ok(reply.into_inner().status() == ServingStatus::Serving),
        Err(status) if matches!(status.code(), Code::Unimplemented | Code::NotFound) => Ok(true),
        Err(status) => Err(status),
    }
}
