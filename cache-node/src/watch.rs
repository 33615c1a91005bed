//! `Watch`: one edge follows the purge log through this node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use purge::{Position, Seq};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Status, Streaming};
use weir_proto::cache::watch_reply::Message as ReplyMessage;
use weir_proto::cache::watch_request::Message as RequestMessage;
use weir_proto::cache::{Follow, WatchBeat, WatchEcho, WatchHello, WatchReply, WatchRequest};

use crate::error::Refusal;
use crate::node::NodeState;
use crate::purges::{MAX_GRACE, Purges, message};

/// How long to wait for the first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest name of an edge.
const MAX_NAME: usize = 255;
/// Messages that wait for the edge to read them.
pub(crate) const AHEAD: usize = 64;

/// Serves one edge until it leaves, breaks off, or this node drains. `peer`: where it calls from, if others
/// may be told of it.
pub(crate) async fn watch(
    node: &Arc<NodeState>,
    mut requests: Streaming<WatchRequest>,
    replies: mpsc::Sender<Result<WatchReply, Status>>,
    peer: Option<Option<SocketAddr>>,
) -> Result<(), Refusal> {
    let hello = read_hello(&mut requests).await?;
    let grace = Duration::from_millis(hello.grace_ms.into()).min(MAX_GRACE);
    let name: String = hello.name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let _known = peer.and_then(|peer| node.edges.add(name.clone(), &hello.admin, peer));
    let follower = FollowerGuard { id: node.purges.join(name, grace), purges: node.purges.clone() };
    let mut line = EdgeLine { replies, timeout: node.exchanges.config().send_timeout.0, place: None };
    let mut changes = node.purges.changes();
    line.tell_news(&node.purges, hello.position.as_ref().and_then(message::place), true).await?;
    loop {
        tokio::select! {
            heard = requests.message() => match heard.map_err(Refusal::BrokenOff)?.and_then(|request| request.message) {
                Some(RequestMessage::Beat(WatchBeat { number, acknowledged })) => {
                    let heard = node.purges.heard(follower.id, Seq::new(acknowledged));
                    if let Some(delay) = heard.delay {
                        node.metrics.acknowledged(delay);
                    }
                    let left_ms = message::millis_u32(heard.left);
                    line.send(ReplyMessage::Echo(WatchEcho { number, left_ms })).await?;
                }
                Some(RequestMessage::Leave(_)) => {
                    node.purges.leave(follower.id);
                    return Ok(());
                }
                Some(RequestMessage::Hello(_)) => return Err(Refusal::OutOfOrder("a second hello")),
                None => return Ok(()),
            },
            _ = changes.changed() => {
                let place = line.place;
                line.tell_news(&node.purges, place, false).await?;
            }
            () = line.replies.closed() => return Ok(()),
            () = node.closing.cancelled() => return Ok(()),
        }
    }
}

async fn read_hello(requests: &mut Streaming<WatchRequest>) -> Result<WatchHello, Refusal> {
    let first = timeout(HELLO_TIMEOUT, requests.message()).await;
    let first = first.map_err(|_| Refusal::LateLookup(HELLO_TIMEOUT))?.map_err(Refusal::BrokenOff)?;
    match first.and_then(|request| request.message) {
        Some(RequestMessage::Hello(hello)) => Ok(hello),
        _ => Err(Refusal::OutOfOrder("no hello")),
    }
}

/// A member of the log's followers for as long as it lives. One that has said goodbye is out already.
struct FollowerGuard {
    id: u64,
    purges: Arc<Purges>,
}

impl Drop for FollowerGuard {
    fn drop(&mut self) {
        self.purges.break_off(self.id);
    }
}

/// The way to the edge.
struct EdgeLine {
    replies: mpsc::Sender<Result<WatchReply, Status>>,
    timeout: Duration,
    /// Up to where it has been told.
    place: Option<Position>,
}

impl EdgeLine {
    /// Tells what came after `place`; `first`: also if nothing did.
    async fn tell_news(
        &mut self,
        purges: &Purges,
        place: Option<Position>,
        first: bool,
    ) -> Result<(), Refusal> {
        let news = purges.news(place);
        let same_log = place.is_some_and(|place| place.log == news.log);
        if first || !same_log || news.floor > Seq::START {
            let (log, floor) = (news.log.to_bytes().to_vec().into(), news.floor.get());
            self.send(ReplyMessage::Follow(Follow { log, floor, shared: news.shared })).await?;
        }
        for logged in &news.purges {
            self.send(ReplyMessage::Logged(message::logged(logged, Instant::now()))).await?;
        }
        self.place = Some(Position { log: news.log, seq: news.head });
        Ok(())
    }

    async fn send(&self, message: ReplyMessage) -> Result<(), Refusal> {
        let reply = WatchReply { message: Some(message) };
        self.replies.send_timeout(Ok(reply), self.timeout).await.map_err(|_| Refusal::SlowReader)
    }
}
