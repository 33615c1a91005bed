//! Follows the purge log of one node while the edge knows the node: obeys purges, acknowledges them, sends
//! heartbeats.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch as changes};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use weir_proto::cache::watch_reply::Message as WatchMessage;
use weir_proto::cache::watch_request::Message as WatchAnswer;
use weir_proto::cache::{WatchBeat, WatchHello, WatchLeave, WatchReply, WatchRequest};

use crate::cache_node::Node;
use crate::cache_node::identity::{EdgeIdentity, read_token};
use crate::purge_log::{FollowedLog, Purges, message};

/// How many heartbeats fit into one grace, and how many without an echo mean that the node does not answer.
const BEATS: u32 = 5;
const SILENT: usize = 3;
/// The most messages that wait for the node.
const AHEAD: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long the goodbye may take.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a watch ended. The node is not used until another watch is established.
#[derive(Debug, thiserror::Error)]
enum WatchEnd {
    #[error("{0}")]
    Call(#[from] tonic::Status),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("the node closed the stream")]
    Closed,
    #[error("a message out of order")]
    OutOfOrder,
    /// Nodes are told in the first message alone.
    #[error("the admin listener or its token has changed")]
    OtherIdentity,
}

/// Watches until `stop`; then says goodbye.
pub(crate) async fn watch(
    node: Arc<Node>,
    purges: Arc<Purges>,
    mut identity: changes::Receiver<EdgeIdentity>,
    stop: CancellationToken,
) {
    // A node that has forgotten this edge waits for it for at most two graces.
    let longest = LONGEST_PAUSE.min(purges.grace());
    let mut pause = FIRST_PAUSE.min(longest);
    // The log that it followed last, so that it can continue there.
    let mut log: Option<Arc<FollowedLog>> = None;
    loop {
        let began = Instant::now();
        match once(&node, &purges, &mut identity, &mut log, &stop).await {
            Ok(()) => return,
            Err(WatchEnd::OtherIdentity) => continue,
            Err(why) if node.leave_out() => {
                tracing::warn!(node = %node.name, "cache-node is not used: {why}");
            }
            Err(_) => {}
        }
        if began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE.min(longest);
        }
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(longest);
    }
}

/// Runs until the stream ends. Ok: the edge stops, and has said goodbye to a node that knew it.
async fn once(
    node: &Node,
    purges: &Purges,
    identity: &mut changes::Receiver<EdgeIdentity>,
    log: &mut Option<Arc<FollowedLog>>,
    stop: &CancellationToken,
) -> Result<(), WatchEnd> {
    let every = purges.grace() / BEATS;
    let patience = every * SILENT as u32;
    let (requests, receiver) = mpsc::channel(AHEAD);
    let mut line = WatchLine { requests, beats: VecDeque::new(), number: 0 };
    let mine = identity.borrow_and_update().clone();
    line.send(WatchAnswer::Hello(hello(purges, &mine, log.as_deref())))?;
    let mut client = node.client();
    let request = with_token(ReceiverStream::new(receiver), &mine).await;
    let opened = tokio::select! {
        opened = timeout(patience, client.watch(request)) => opened,
        () = stop.cancelled() => return Ok(()),
    };
    let mut replies: Streaming<WatchReply> = opened.map_err(|_| WatchEnd::Silent(patience))??.into_inner();
    let mut beat_at = tokio::time::Instant::now();
    // Whether purges are obeyed that the node does not know of yet. In a flood one message covers many.
    let mut owing = false;
    loop {
        tokio::select! {
            reply = replies.message() => match reply?.and_then(|reply| reply.message) {
                Some(WatchMessage::Follow(follow)) => {
                    let (id, floor) = message::follow(&follow).ok_or(WatchEnd::OutOfOrder)?;
                    node.follows(id, follow.shared);
                    if let Some(before) = log.replace(purges.follow(id, floor)).filter(|before| before.id != id) {
                        before.lose();
                    }
                    line.beat(log)?;
                }
                Some(WatchMessage::Logged(logged)) => {
                    let log = log.as_ref().ok_or(WatchEnd::OutOfOrder)?;
                    let logged = message::logged(logged, Instant::now()).map_err(|_| WatchEnd::OutOfOrder)?;
                    if !log.apply(&logged) {
                        tracing::warn!(node = %node.name, "purges were missed: older pages are no longer used");
                    }
                    owing = true;
                }
                Some(WatchMessage::Echo(echo)) => {
                    let Some(sent) = line.echoed(echo.number) else { continue };
                    node.take_in();
                    if let Some(log) = log {
                        log.heard(sent, purges.grace().min(Duration::from_millis(echo.left_ms.into())));
                    }
                }
                None => return Err(WatchEnd::Closed),
            },
            room = line.requests.clone().reserve_owned(), if owing => {
                let room = room.map_err(|_| WatchEnd::Closed)?;
                room.send(WatchRequest { message: Some(WatchAnswer::Beat(line.acknowledgement(log))) });
                owing = false;
            }
            () = tokio::time::sleep_until(beat_at) => {
                if line.beats.len() >= SILENT {
                    return Err(WatchEnd::Silent(patience));
                }
                line.beat(log)?;
                beat_at = tokio::time::Instant::now() + every;
            }
            Ok(()) = identity.changed() => return Err(WatchEnd::OtherIdentity),
            () = stop.cancelled() => {
                line.send(WatchAnswer::Leave(WatchLeave {}))?;
                drop(line);
                let _ = timeout(LEAVE_TIMEOUT, async { while let Ok(Some(_)) = replies.message().await {} }).await;
                return Ok(());
            }
        }
    }
}

/// Who this edge is, and up to where it has obeyed purges.
fn hello(purges: &Purges, identity: &EdgeIdentity, log: Option<&FollowedLog>) -> WatchHello {
    WatchHello {
        name: identity.name.clone(),
        position: log.map(|log| message::position(log.id, log.head())),
        grace_ms: purges.grace().as_millis() as u32,
        admin: identity.admin.clone(),
    }
}

/// Shows the token that a node may require before it tells others of this edge.
async fn with_token<T>(requests: T, identity: &EdgeIdentity) -> tonic::Request<T> {
    let mut request = tonic::Request::new(requests);
    if let Some(token) = read_token(identity.token_file.as_deref()).await {
        request.metadata_mut().insert("authorization", token);
    }
    request
}

/// The stream to the node, and the heartbeats without an echo.
struct WatchLine {
    requests: mpsc::Sender<WatchRequest>,
    beats: VecDeque<(u64, Instant)>,
    number: u64,
}

impl WatchLine {
    fn send(&self, message: WatchAnswer) -> Result<(), WatchEnd> {
        // A node that reads nothing counts as silent.
        self.requests.try_send(WatchRequest { message: Some(message) }).map_err(|_| WatchEnd::Closed)
    }

    /// Asks whether the edge is in touch, and says up to where it obeys.
    fn beat(&mut self, log: &Option<Arc<FollowedLog>>) -> Result<(), WatchEnd> {
        self.number += 1;
        self.beats.push_back((self.number, Instant::now()));
        self.send(WatchAnswer::Beat(self.acknowledgement(log)))
    }

    /// Says up to where the edge obeys. Uses the number of the last heartbeat, so that its echo says nothing
    /// new.
    fn acknowledgement(&self, log: &Option<Arc<FollowedLog>>) -> WatchBeat {
        let acknowledged = log.as_ref().map_or(0, |log| log.head().get());
        WatchBeat { number: self.number, acknowledged }
    }

    /// When the echoed heartbeat was sent. Earlier ones no longer need an echo.
    fn echoed(&mut self, number: u64) -> Option<Instant> {
        let at = self.beats.iter().position(|(sent, _)| *sent == number)?;
        self.beats.drain(..=at).next_back().map(|(_, sent)| sent)
    }
}
