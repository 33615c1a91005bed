//! The way back to the edge: every message with a deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use weir_proto::cache::exchange_reply::Message;
use weir_proto::cache::{ExchangeReply, Lease, LookupHit, Pass, PassReason, StoreReply, Use, Wait};
use weir_proto::origin::{End, Joiner};

use crate::entry::{Entry, Grant, millis};
use crate::error::Refusal;
use crate::purges::message;

/// The largest chunk of a body in one message.
const CHUNK: usize = 64 * 1024;
/// Messages that wait for the edge to read them.
pub(crate) const AHEAD: usize = 4;

pub(super) struct Replies {
    sender: mpsc::Sender<Result<ExchangeReply, Status>>,
    timeout: Duration,
    /// The largest body that this node stores.
    max_object: u64,
    waits: bool,
}

impl Replies {
    pub(super) fn new(
        sender: mpsc::Sender<Result<ExchangeReply, Status>>,
        timeout: Duration,
        max_object: u64,
    ) -> Self {
        Self { sender, timeout, max_object, waits: false }
    }

    /// Resolves when the edge has left.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Whether the edge was told to wait.
    pub(super) fn waited(&self) -> bool {
        self.waits
    }

    /// Tells the edge to wait, once.
    pub(super) async fn wait(&mut self) -> Result<(), Refusal> {
        if self.waits {
            return Ok(());
        }
        self.waits = true;
        self.send(Message::Wait(Wait { takes_joined: true })).await
    }

    /// Sends an entry. `lease`: by what right the edge refreshes the page, if it does.
    pub(super) async fn found(
        &self,
        entry: &Arc<Entry>,
        usage: Use,
        lease: Option<Grant>,
    ) -> Result<(), Refusal> {
        let position = |grant| message::position(grant, std::time::Instant::now());
        let mut body = entry.body().clone();
        let found = LookupHit {
            entry: Some(entry.head_at(Instant::now())),
            r#use: usage.into(),
            lease: lease.is_some(),
            position: Some(position(entry.grant())),
            lease_position: lease.map(position),
            length: body.len() as u64,
            max_object: self.max_object,
        };
        self.send(Message::Found(found)).await?;
        while !body.is_empty() {
            let chunk = body.split_to(body.len().min(CHUNK));
            self.send(Message::Chunk(chunk)).await?;
        }
        self.send(Message::End(End {})).await
    }

    pub(super) async fn lease(&self, grant: Option<Grant>) -> Result<(), Refusal> {
        let position = grant.map(|grant| message::position(grant, std::time::Instant::now()));
        self.send(Message::Lease(Lease { position, max_object: self.max_object })).await
    }

    pub(super) async fn pass(&self, reason: PassReason, pass_for: Duration) -> Result<(), Refusal> {
        self.send(Message::Pass(Pass { reason: reason.into(), for_ms: millis(pass_for) })).await
    }

    pub(super) async fn stored(&self, kept: bool, detail: &str) -> Result<(), Refusal> {
        self.send(Message::Stored(StoreReply { kept, detail: detail.to_owned() })).await
    }

    /// Tells the holder of a lease who waits for the page, too.
    pub(super) async fn joined(&self, client: &str) -> Result<(), Refusal> {
        self.send(Message::Joined(Joiner { client: client.to_owned() })).await
    }

    /// The last message.
    pub(super) async fn refuse(&self, refusal: Refusal) {
        let _ = self.sender.send_timeout(Err(refusal.into()), self.timeout).await;
    }

    async fn send(&self, message: Message) -> Result<(), Refusal> {
        let reply = ExchangeReply { message: Some(message) };
        self.sender.send_timeout(Ok(reply), self.timeout).await.map_err(|_| Refusal::SlowReader)
    }
}
