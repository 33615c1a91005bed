//! Secrets that edges share, such as the keys of certificates that come by themselves. The edges have sealed
//! them: a node keeps bytes that it cannot read, by a name, and changes them only if they still are what the
//! edge believes.
//!
//! Redis keeps them where there is one. While it is away they cannot be had, because two nodes would each
//! promise the same. Without Redis this node keeps some in its memory, until it ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use weir_proto::cache::{SecretChange, SecretReply, SecretRequest};

use crate::error::Refusal;
use crate::store::redis::Redis;
use crate::store::redis::secrets::SecretUpdate;

const LONGEST_NAME: usize = 512;
/// A chain of certificates with its key has some kilobytes.
const LARGEST: usize = 128 * 1024;
/// In memory.
const MOST: usize = 4096;
const MOST_BYTES: usize = 64 << 20;
/// Nobody keeps anything for longer without writing it again.
const LONGEST_HOLD: Duration = Duration::from_secs(400 * 86_400);
const SHORTEST_HOLD: Duration = Duration::from_secs(1);

pub(crate) struct SharedSecrets {
    redis: Option<Arc<Redis>>,
    memory: Mutex<SecretTable>,
}

/// Secrets with their ends.
#[derive(Default)]
struct SecretTable {
    secrets: HashMap<Bytes, (Bytes, Instant)>,
}

impl SharedSecrets {
    pub(crate) fn new(redis: Option<Arc<Redis>>) -> Self {
        Self { redis, memory: Mutex::default() }
    }

    pub(crate) async fn answer(&self, request: SecretRequest) -> Result<SecretReply, Refusal> {
        let SecretRequest { name, change } = request;
        let too_large = change.as_ref().is_some_and(|change| change.sealed.len() > LARGEST);
        if name.is_empty() || name.len() > LONGEST_NAME || too_large {
            return Err(Refusal::BadSecret(LONGEST_NAME, LARGEST));
        }
        let update = change.as_ref().map(|SecretChange { expected, sealed, hold_ms }| {
            let hold = Duration::from_millis(*hold_ms).clamp(SHORTEST_HOLD, LONGEST_HOLD);
            SecretUpdate { expected, sealed, hold }
        });
        let (changed, sealed) = match &self.redis {
            Some(redis) => {
                redis.secret(&name, update).await.map_err(|away| Refusal::SecretsAway(away.to_string()))?
            }
            None => self.memory.lock().secret(name, update, Instant::now())?,
        };
        Ok(SecretReply { sealed, changed })
    }
}

impl SecretTable {
    fn secret(
        &mut self,
        name: Bytes,
        update: Option<SecretUpdate<'_>>,
        now: Instant,
    ) -> Result<(bool, Bytes), Refusal> {
        let kept = self.secrets.get(&name).filter(|(_, ends)| *ends > now);
        let kept = kept.map(|(sealed, _)| sealed.clone()).unwrap_or_default();
        let Some(SecretUpdate { sealed, hold, .. }) = update.filter(|update| update.expected == kept) else {
            return Ok((false, kept));
        };
        if sealed.is_empty() {
            self.secrets.remove(&name);
            return Ok((true, Bytes::new()));
        }
        if !self.has_room(&name, sealed.len()) {
            self.secrets.retain(|_, (_, ends)| *ends > now);
            if !self.has_room(&name, sealed.len()) {
                return Err(Refusal::TooManySecrets(self.secrets.len()));
            }
        }
        let sealed = Bytes::copy_from_slice(sealed);
        self.secrets.insert(name, (sealed.clone(), now + hold));
        Ok((true, sealed))
    }

    fn has_room(&self, name: &Bytes, more: usize) -> bool {
        let bytes = self.secrets.values().map(|(sealed, _)| sealed.len()).sum::<usize>();
        let is_new = !self.secrets.contains_key(name);
        self.secrets.len() + usize::from(is_new) <= MOST && bytes + more <= MOST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_has_ended_makes_room() {
        let (mut table, now) = (SecretTable::default(), Instant::now());
        let update = |sealed| SecretUpdate { expected: b"", sealed, hold: Duration::from_secs(60) };
        for n in 0..MOST {
            let (changed, _) = table.secret(n.to_string().into(), Some(update(b"x")), now).unwrap();
            assert!(changed);
        }
        let more = table.secret("more".into(), Some(update(b"x")), now);
        assert!(matches!(more, Err(Refusal::TooManySecrets(MOST))));
        // One that is there can be changed.
        let again = SecretUpdate { expected: b"x", ..update(b"y") };
        assert!(table.secret("7".into(), Some(again), now).unwrap().0);
        let later = now + Duration::from_secs(61);
        assert_eq!(table.secret("7".into(), None, later).unwrap(), (false, Bytes::new()));
        assert!(table.secret("more".into(), Some(update(b"x")), later).unwrap().0);
        assert_eq!(table.secrets.len(), 1);
    }
}
