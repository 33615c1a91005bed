//! `Exchange`: one stream is one request's dealings with the cache, from the lookup to the end of a store.

mod flight;
mod lease;
mod look_up;
mod receive;
mod replies;
mod request;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use process::room::Room;
use process::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Status, Streaming};
use weir_proto::cache::exchange_request::Message;
use weir_proto::cache::{ExchangeReply, ExchangeRequest, Lookup};

use self::lease::{Leads, LeaseTimeout};
use self::look_up::{Answer, LookUp};
use self::receive::Holder;
pub(crate) use self::replies::AHEAD;
use self::replies::Replies;
use self::request::LookupRequest;
use crate::config::Config;
use crate::error::Refusal;
use crate::metrics::Metrics;
use crate::purges::Purges;
use crate::store::memory::Memory;
use crate::store::tiers::Tiers;

/// How long to wait for the first message.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// What all exchanges of a node share.
pub(crate) struct Exchanges {
    /// Replaced by a reload.
    config: ArcSwap<Config>,
    leads: Arc<Leads>,
    purges: Arc<Purges>,
    metrics: Metrics,
    /// Streams that may still wait.
    waiting: Room,
    /// Bytes of bodies that may still be received.
    receiving: Room,
}

impl Exchanges {
    pub(crate) fn new(
        config: Config,
        store: Arc<Tiers>,
        purges: Arc<Purges>,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            leads: Leads::new(&config, store, purges.clone(), metrics.clone(), shutdown),
            purges,
            metrics,
            waiting: Room::new(config.max_waiting),
            receiving: Room::new(config.max_receiving.bytes()),
            config: ArcSwap::from_pointee(config),
        }
    }

    /// The settings in force.
    pub(crate) fn config(&self) -> Guard<Arc<Config>> {
        self.config.load()
    }

    /// The pages in memory.
    pub(crate) fn memory(&self) -> &Memory {
        self.leads.store().memory()
    }

    /// Other bounds, from now on. Must be called within a runtime.
    pub(crate) fn take_over(&self, config: &Config) {
        self.waiting.resize(config.max_waiting);
        self.receiving.resize(config.max_receiving.bytes());
        self.leads.set_max_waiting(config.max_waiting_per_page);
        self.leads.store().set_memory(config.memory.0);
        let Config { max_lease, max_lifetime, .. } = **self.config();
        // The purge log is as long as these ask for.
        self.config.store(Arc::new(Config { max_lease, max_lifetime, ..config.clone() }));
    }

    /// Serves one stream to its end.
    pub(crate) async fn serve(
        &self,
        requests: Streaming<ExchangeRequest>,
        sender: mpsc::Sender<Result<ExchangeReply, Status>>,
    ) {
        let (timeout, max_object) = (self.config().send_timeout.0, self.config().max_object.0);
        let mut replies = Replies::new(sender, timeout, max_object);
        if let Err(refusal) = self.talk(requests, &mut replies).await {
            replies.refuse(refusal).await;
        }
    }

    async fn talk(
        &self,
        mut requests: Streaming<ExchangeRequest>,
        replies: &mut Replies,
    ) -> Result<(), Refusal> {
        let lookup = read_lookup(&mut requests).await?;
        let request = Arc::new(LookupRequest::new(lookup, self.config().max_wait.0)?);
        let answer = LookUp::new(self, request.clone(), replies, &mut requests).answer().await;
        self.metrics.lookup(answer.counted_as(), replies.waited());
        let lead = match answer {
            Answer::Found(entry, usage) => return replies.found(&entry, usage, None).await,
            Answer::Pass(reason, pass_for) => return replies.pass(reason, pass_for).await,
            Answer::Left => return Ok(()),
            Answer::Lease(lead) => {
                replies.lease(lead.grant()).await?;
                lead
            }
            Answer::FoundToRefresh(entry, usage, mut lead) => {
                let grant = lead.grant();
                lead.alive_for(replies.found(&entry, usage, grant))
                    .await
                    .map_err(|LeaseTimeout| Refusal::SlowReader)??;
                lead
            }
        };
        Holder { node: self, request: &request, replies }.serve(lead, requests).await
    }
}

async fn read_lookup(requests: &mut Streaming<ExchangeRequest>) -> Result<Lookup, Refusal> {
    let first = timeout(LOOKUP_TIMEOUT, requests.message()).await;
    let first = first.map_err(|_| Refusal::LateLookup(LOOKUP_TIMEOUT))?.map_err(Refusal::BrokenOff)?;
    match first.and_then(|request| request.message) {
        Some(Message::Lookup(lookup)) => Ok(lookup),
        _ => Err(Refusal::NoLookup),
    }
}
