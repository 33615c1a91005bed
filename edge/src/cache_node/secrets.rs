//! Lets the cache-nodes keep what edges share of certificates that come by themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tonic::Code;
use weir_proto::cache::{SecretReply, SecretRequest};

use crate::acme::secrets::{SecretAnswer, SecretKeeper};
use crate::cache_node::identity::read_token;
use crate::cache_node::{Node, Nodes};

/// How long a node may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct NodeSecrets {
    nodes: Arc<Nodes>,
    /// Connections belong to the runtime on which the nodes are watched, which outlives whoever asks.
    runtime: Option<Handle>,
}

impl NodeSecrets {
    pub(crate) fn new(nodes: Arc<Nodes>) -> Self {
        Self { nodes, runtime: Handle::try_current().ok() }
    }
}

impl SecretKeeper for NodeSecrets {
    fn secret(&self, request: SecretRequest, token_file: Option<PathBuf>) -> SecretAnswer {
        let nodes = self.nodes.clone();
        let asking = async move { ask(&nodes, request, token_file).await };
        let Some(runtime) = &self.runtime else { return Box::pin(asking) };
        let task = runtime.spawn(asking);
        Box::pin(async move { task.await.map_err(|error| error.to_string())? })
    }
}

/// Asks the node that the name belongs to, or the next if that one is down.
async fn ask(
    nodes: &Nodes,
    request: SecretRequest,
    token_file: Option<PathBuf>,
) -> Result<SecretReply, String> {
    let token = read_token(token_file.as_deref()).await;
    let asked = async |node: &Node| {
        let mut message = tonic::Request::new(request.clone());
        if let Some(token) = &token {
            message.metadata_mut().insert("authorization", token.clone());
        }
        let mut client = node.client();
        match tokio::time::timeout(PATIENCE, client.secret(message)).await {
            Ok(reply) => reply.map(tonic::Response::into_inner),
            Err(_) => Err(tonic::Status::deadline_exceeded(format!("no answer within {PATIENCE:?}"))),
        }
    };
    let first = nodes.owner(&request.name).map_err(|error| error.to_string())?;
    let status = match asked(&first).await {
        Ok(reply) => return Ok(reply),
        Err(status) => status,
    };
    // Any node will do if Redis is behind them.
    let others = nodes.known();
    let other = others.iter().find(|node| !node.is_out() && node.name != first.name);
    match other.filter(|_| status.code() == Code::Unavailable) {
        Some(other) => asked(other).await.map_err(|status| status.message().to_owned()),
        None => Err(status.message().to_owned()),
    }
}
