//! What this edge tells the cache-nodes of itself.

use std::path::{Path, PathBuf};

use crate::cache_node::Token;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EdgeIdentity {
    /// What it is called in the answer to a purge.
    pub(crate) name: String,
    /// Its admin listener, as in the settings.
    pub(crate) admin: String,
    /// The file with the token that nodes may require.
    pub(crate) token_file: Option<PathBuf>,
}

/// The token that nodes may require. Read each time, so that a new one is valid at once.
pub(crate) async fn read_token(file: Option<&Path>) -> Option<Token> {
    let file = file?;
    let read = tokio::fs::read(file).await.map_err(|error| error.to_string());
    let token = read.and_then(|token| {
        Token::try_from([b"Bearer ", token.trim_ascii()].concat()).map_err(|error| error.to_string())
    });
    token.inspect_err(|error| tracing::error!("cannot read the token in {}: {error}", file.display())).ok()
}
