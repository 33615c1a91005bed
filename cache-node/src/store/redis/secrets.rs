//! Secrets that edges share, in Redis. One script on one key, so that it is one step also in a Cluster.

use std::time::Duration;

use bytes::Bytes;

use super::{Redis, RedisUnavailable};
use crate::metrics::Command;

/// A secret that is to be another one, or gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretUpdate<'a> {
    /// What is kept, as far as the caller knows; empty: nothing.
    pub(crate) expected: &'a [u8],
    pub(crate) sealed: &'a [u8],
    pub(crate) hold: Duration,
}

impl Redis {
    /// What is kept now, and whether the update has happened.
    pub(crate) async fn secret(
        &self,
        name: &[u8],
        update: Option<SecretUpdate<'_>>,
    ) -> Result<(bool, Bytes), RedisUnavailable> {
        let mut script = self.secret.prepare_invoke();
        script.key([self.prefix.as_bytes(), b":secret:", name].concat());
        let SecretUpdate { expected, sealed, hold } =
            update.unwrap_or(SecretUpdate { expected: b"", sealed: b"", hold: Duration::ZERO });
        script.arg(u8::from(update.is_some())).arg(expected).arg(sealed).arg(crate::entry::millis(hold));
        let (changed, now): (bool, Vec<u8>) = self.call(Command::Secret, &self.leases, &script).await?;
        Ok((changed, now.into()))
    }
}
