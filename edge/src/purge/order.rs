//! Makes purges: sends one message to a node of each log, and collects the results.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use process::shutdown::Shutdown;
use purge::{LogId, Purge, Target};
use tonic::Code;
use weir_proto::cache::PurgeReply;

use crate::cache_node::identity::read_token;
use crate::cache_node::{Node, Nodes, Token};
use crate::metrics::Metrics;
use crate::purge::next_process::NextProcess;
use crate::purge::outcome::PurgeOutcome;
use crate::purge::pace::Pace;
use crate::purge::recent::RecentPurges;
use crate::purge_log::{Purges, message};

/// How long a visitor who changed something waits for the purge; the purge continues by itself.
const PATIENCE: Duration = Duration::from_millis(250);

/// Orders purges at this edge, for any reason.
pub(crate) struct Purger {
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) log: Arc<Purges>,
    /// The file with the token for the nodes, read again for each purge.
    pub(crate) token_file: Option<PathBuf>,
    /// The longest wait for the end of a purge.
    pub(crate) wait: Duration,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Shutdown,
    /// `None`: what replies to changes name in Location and Content-Location stays as it is.
    pub(crate) named: Option<Pace>,
    /// The last ones, to be shown.
    pub(crate) recent: Arc<RecentPurges>,
    /// The process that takes this one's place, if it has an admin listener.
    pub(crate) next_process: Option<NextProcess>,
}

/// What the next process is called where it may have pages from before a purge.
const NEXT_PROCESS: &str = "the process that has taken over";

impl Purger {
    /// Sends the purge to every node that must receive it, and waits for its end.
    pub(crate) async fn purge(&self, purge: &Purge) -> PurgeOutcome {
        let began = Instant::now();
        let mut outcome = PurgeOutcome::default();
        let known = self.nodes.known();
        if known.is_empty() {
            outcome.missing.insert("cache-node".to_owned());
            outcome.details.push("no cache-node is known".to_owned());
        }
        let token = read_token(self.token_file.as_deref()).await;
        let asked = groups(&known).into_iter().map(|group| ask(group, purge, token.as_ref(), self.wait));
        for (names, answer) in join_all(asked).await {
            match answer {
                Ok(reply) => {
                    outcome.acknowledged.extend(reply.acknowledged);
                    outcome.missing.extend(reply.missing);
                    outcome.details.extend(Some(reply.detail).filter(|detail| !detail.is_empty()));
                }
                Err(detail) => {
                    outcome.missing.extend(names);
                    outcome.details.push(detail);
                }
            }
        }
        if let Some(next) = self.next_process.as_ref().filter(|_| self.tasks.is_handed_over()) {
            match next.purge(purge).await {
                Ok(acknowledged) => outcome.acknowledged.extend(acknowledged),
                Err(detail) => {
                    outcome.missing.insert(NEXT_PROCESS.to_owned());
                    outcome.details.push(detail);
                }
            }
        }
        self.log.end_unlogged();
        outcome.missing.retain(|name| !outcome.acknowledged.contains(name));
        outcome.complete = outcome.missing.is_empty();
        let took = began.elapsed();
        outcome.milliseconds = (took.as_secs_f64() * 1e4).round() / 10.0;
        self.metrics.purged(outcome.complete, took);
        self.recent.add(purge, &outcome);
        outcome
    }

    /// Purges everywhere what a change has made invalid, before the visitor gets the reply if that is quick.
    pub(crate) async fn invalidate(self: &Arc<Self>, purge: Purge) {
        let this = self.clone();
        let purging = self.tasks.spawn(async move {
            let outcome = this.purge(&purge).await;
            if !outcome.complete {
                tracing::warn!(missing = ?outcome.missing, "an invalidation is not complete");
            }
        });
        let _ = tokio::time::timeout(PATIENCE, purging).await;
    }

    /// Makes pages stale that the reply to a change names, each at most once a second.
    pub(crate) fn make_stale(self: &Arc<Self>, urls: Vec<Bytes>) {
        let Some(pace) = &self.named else { return };
        let now = Instant::now();
        for (url, wait) in urls.into_iter().filter_map(|url| pace.turn(&url, now).map(|wait| (url, wait))) {
            let Ok(purge) = Purge::new(vec![Target::Url(url)], true) else { continue };
            let this = self.clone();
            self.tasks.spawn(async move {
                tokio::time::sleep(wait).await;
                this.purge(&purge).await;
            });
        }
    }
}

/// Nodes that follow one log: a purge made at one reaches all. Those that answer come first.
fn groups(known: &[Arc<Node>]) -> Vec<Vec<Arc<Node>>> {
    let mut groups: Vec<(Option<LogId>, Vec<Arc<Node>>)> = Vec::new();
    let shared = known.iter().any(|node| matches!(node.log(), Some((_, true))));
    for node in known {
        let log = node.log().map(|(log, _)| log);
        // A node that never sent its log follows the shared one, or a log of its own.
        let place = groups.iter_mut().find(|(other, _)| shared || (log.is_some() && *other == log));
        match place {
            Some((_, group)) => group.push(node.clone()),
            None => groups.push((log, vec![node.clone()])),
        }
    }
    let mut groups: Vec<_> = groups.into_iter().map(|(_, group)| group).collect();
    groups.iter_mut().for_each(|group| group.sort_by_key(|node| node.is_out()));
    groups
}

/// Asks the nodes of a group in turn until one answers. Returns the names of all of them.
async fn ask(
    group: Vec<Arc<Node>>,
    purge: &Purge,
    token: Option<&Token>,
    wait: Duration,
) -> (Vec<String>, Result<PurgeReply, String>) {
    let mut detail = String::new();
    for node in &group {
        match node.purge(message::order(purge), token, wait).await {
            Ok(reply) => return (Vec::new(), Ok(reply)),
            Err(status) => {
                detail = format!("cache-node {}: {}", node.name, status.message());
                // The purge is wrong, not the node.
                if status.code() == Code::InvalidArgument {
                    break;
                }
            }
        }
    }
    (group.iter().map(|node| node.name.clone()).collect(), Err(detail))
}
