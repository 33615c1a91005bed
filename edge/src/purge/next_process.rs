//! The process that has taken this one's place, which has pages of its own: purges that requests still order
//! here must reach it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use admin::client;
use purge::{Purge, Target};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

/// Longer than an edge waits for its nodes.
const PATIENCE: Duration = Duration::from_secs(35);

/// Its admin listener, which is at the address of this process's own.
#[derive(Clone, Debug)]
pub(crate) struct NextProcess {
    pub(crate) address: String,
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Debug, Default, Serialize)]
struct PurgeOrderBody {
    urls: Vec<String>,
    prefixes: Vec<String>,
    tags: Vec<String>,
    all: bool,
    soft: bool,
}

#[derive(Deserialize)]
struct NextOutcome {
    complete: bool,
    acknowledged: BTreeSet<String>,
}

impl NextProcess {
    /// Orders the purge there; the names of those that have acknowledged it.
    pub(crate) async fn purge(&self, purge: &Purge) -> Result<BTreeSet<String>, String> {
        let order = serde_json::to_string(&body_of(purge)).map_err(|error| error.to_string())?;
        let Self { address, token_file } = self.clone();
        let asked = spawn_blocking(move || {
            let token = token_file.map(std::fs::read_to_string).transpose()?;
            client::post_as(&address, "/api/v1/purge", &order, token.as_deref().map(str::trim), PATIENCE)
        });
        let reply = asked.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        match serde_json::from_str::<NextOutcome>(&reply.body) {
            Ok(outcome) if outcome.complete => Ok(outcome.acknowledged),
            _ => Err(format!("the process that has taken over answers: {}", reply.body.trim())),
        }
    }
}

/// What cannot be written as text purges all.
fn body_of(purge: &Purge) -> PurgeOrderBody {
    let mut order = PurgeOrderBody { soft: purge.is_soft(), ..PurgeOrderBody::default() };
    for target in purge.targets() {
        let (list, bytes) = match target {
            Target::All => {
                order.all = true;
                continue;
            }
            Target::Url(url) => (&mut order.urls, url),
            Target::Prefix(prefix) => (&mut order.prefixes, prefix),
            Target::Tag(tag) => (&mut order.tags, tag),
        };
        match String::from_utf8(bytes.to_vec()) {
            Ok(text) => list.push(text),
            Err(_) => order.all = true,
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn each_target_is_named_as_it_is_and_what_is_no_text_is_all() {
        let bytes = |text: &'static [u8]| Bytes::from_static(text);
        let url = Target::Url(bytes(b"http://a/b?c"));
        let cases = [
            (
                vec![url.clone()],
                true,
                r#"{"urls":["http://a/b?c"],"prefixes":[],"tags":[],"all":false,"soft":true}"#,
            ),
            (
                vec![Target::Tag(bytes(b"t")), Target::Prefix(bytes(b"http://a/"))],
                false,
                r#"{"urls":[],"prefixes":["http://a/"],"tags":["t"],"all":false,"soft":false}"#,
            ),
            (
                vec![Target::Tag(bytes(b"\xff")), url],
                false,
                r#"{"urls":["http://a/b?c"],"prefixes":[],"tags":[],"all":true,"soft":false}"#,
            ),
        ];
        for (targets, soft, expected) in cases {
            let purge = Purge::new(targets, soft).unwrap();
            assert_eq!(serde_json::to_string(&body_of(&purge)).unwrap(), expected);
        }
    }
}
