//! What edges that serve the same names share through the cache-nodes: sealed secrets, each changed only if
//! it still is what was read.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir_proto::cache::{SecretChange, SecretReply, SecretRequest};

use crate::acme::seal::Seal;

/// Keeps secrets for all edges; `token_file` holds what it may ask for.
pub(crate) trait SecretKeeper: Send + Sync {
    fn secret(&self, request: SecretRequest, token_file: Option<PathBuf>) -> SecretAnswer;
}

pub(crate) type SecretAnswer = Pin<Box<dyn Future<Output = Result<SecretReply, String>> + Send>>;

/// The secrets about one authority.
pub(super) struct SharedState {
    keeper: Arc<dyn SecretKeeper>,
    token_file: Option<PathBuf>,
    seal: Seal,
    /// The name of the authority.
    authority: String,
}

/// A secret as it was read.
#[derive(Clone, Debug)]
pub(super) struct SharedSecret {
    pub(super) plain: Vec<u8>,
    sealed: Bytes,
}

impl SharedState {
    pub(super) fn new(
        keeper: Arc<dyn SecretKeeper>,
        token_file: Option<PathBuf>,
        seal: Seal,
        authority: &str,
    ) -> Self {
        Self { keeper, token_file, seal, authority: authority.to_owned() }
    }

    pub(super) async fn read(&self, what: &str) -> io::Result<Option<SharedSecret>> {
        let name = self.name(what);
        let reply = self.ask(&name, None).await?;
        if reply.sealed.is_empty() {
            return Ok(None);
        }
        match self.seal.open(&name, &reply.sealed) {
            Some(plain) => Ok(Some(SharedSecret { plain, sealed: reply.sealed })),
            None => Err(io::Error::other(
                "what the edges share is sealed by another key: give all of them the same \
                 `edge.acme.share_key_file`",
            )),
        }
    }

    /// Puts `plain` in place of what was read; `None`: of nothing. The answer is `None` if another edge has
    /// changed it meanwhile.
    pub(super) async fn replace(
        &self,
        what: &str,
        before: Option<&SharedSecret>,
        plain: &[u8],
        hold: Duration,
    ) -> io::Result<Option<SharedSecret>> {
        let name = self.name(what);
        let sealed = Bytes::from(self.seal.seal(&name, plain));
        let reply = self.ask(&name, Some(change(before, sealed.clone(), hold))).await?;
        Ok(reply.changed.then(|| SharedSecret { plain: plain.to_vec(), sealed }))
    }

    /// Removes what was read, if it still is there.
    pub(super) async fn remove(&self, what: &str, before: &SharedSecret) -> io::Result<()> {
        self.ask(&self.name(what), Some(change(Some(before), Bytes::new(), Duration::ZERO))).await.map(drop)
    }

    fn name(&self, what: &str) -> String {
        format!("acme/{}/{what}", self.authority)
    }

    async fn ask(&self, name: &str, change: Option<SecretChange>) -> io::Result<SecretReply> {
        let request = SecretRequest { name: Bytes::copy_from_slice(name.as_bytes()), change };
        let reply = self.keeper.secret(request, self.token_file.clone()).await;
        reply.map_err(|why| io::Error::other(format!("the cache-nodes, which hold what edges share: {why}")))
    }
}

fn change(before: Option<&SharedSecret>, sealed: Bytes, hold: Duration) -> SecretChange {
    let expected = before.map(|before| before.sealed.clone()).unwrap_or_default();
    SecretChange { expected, sealed, hold_ms: u64::try_from(hold.as_millis()).unwrap_or(u64::MAX) }
}
