//! Finds the wsgi-adapters: looks up names repeatedly, treats each of their addresses as an adapter, and
//! checks the health of each.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;
use weir_proto::health;
use weir_proto::origin::origin_server::SERVICE_NAME;
use weir_proto::tls::Tls;

use crate::application::adapters::{Adapter, Adapters};
use crate::peers;
use crate::peers::look_up::{LOOK_UP_EVERY, Names, Peer};
use crate::peers::{WsgiAdapters, look_up};

/// The word for them in the log.
const KIND: &str = "wsgi-adapters";
/// The least time between two look-ups, however often an adapter is missing.
const LOOK_UP_PAUSE: Duration = Duration::from_millis(500);
/// The time between two checks of an adapter that answers, plus or minus a fifth: many edges check many
/// adapters.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// The time between two checks of an adapter that does not answer.
const CHECK_AGAIN: Duration = Duration::from_secs(1);
/// The pause before checking an adapter that has just lost a call.
const CHECK_PAUSE: Duration = Duration::from_millis(100);
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Adapters that need no look-up.
pub(crate) fn at_once(source: &WsgiAdapters, missed: &Arc<Notify>) -> Vec<Arc<Adapter>> {
    match source {
        WsgiAdapters::Connected(adapters) => {
            adapters.iter().cloned().map(Adapter::in_process).map(Arc::new).collect()
        }
        WsgiAdapters::Named { urls, tls } => {
            let names = Names::new(KIND, urls);
            names.addresses().filter_map(|(url, at)| connect(url, at, tls.as_ref(), missed)).collect()
        }
    }
}

impl Adapters {
    /// Finds and checks the adapters until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! {
            () = self.keep_by(look_up::by_system) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Does the same, but `look_up` says which addresses a URL stands for at the moment.
    pub(crate) async fn keep_by<F>(&self, look_up: impl Fn(Uri) -> F)
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let WsgiAdapters::Named { urls, tls } = &self.source else { return };
        let (mut names, mut checks) = (Names::new(KIND, urls), Checks::default());
        checks.adjust(&self.known.load());
        loop {
            names.ask(&look_up).await;
            let connect = |url: &_, at| connect(url, at, tls.as_ref(), &self.missed);
            if let Some(next) = names.renew(&self.known.load(), connect) {
                checks.adjust(&next);
                self.known.store(Arc::new(next));
                self.renewed.notify_waiters();
            }
            sleep(LOOK_UP_PAUSE).await;
            tokio::select! {
                () = sleep(LOOK_UP_EVERY - LOOK_UP_PAUSE) => {}
                () = self.missed.notified() => {}
            }
        }
    }
}

/// Runs, for each known adapter, a task that checks it.
#[derive(Default)]
struct Checks(HashMap<String, DropGuard>);

impl Checks {
    fn adjust(&mut self, known: &[Arc<Adapter>]) {
        self.0.retain(|name, _| known.iter().any(|adapter| adapter.name() == name));
        for adapter in known {
            self.0.entry(adapter.name().to_owned()).or_insert_with(|| {
                let stop = CancellationToken::new();
                tokio::spawn(stop.clone().run_until_cancelled_owned(check(adapter.clone())));
                stop.drop_guard()
            });
        }
    }
}

/// Checks it repeatedly.
async fn check(adapter: Arc<Adapter>) {
    let Some(transport) = adapter.transport() else { return };
    loop {
        let asked = timeout(CHECK_TIMEOUT, health::serves(transport.clone(), SERVICE_NAME)).await;
        let serves = asked.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
        adapter.checked(&serves);
        let pause = match serves {
            Ok(true) => CHECK_EVERY.mul_f64(rand::random_range(0.8..1.2)),
            _ => CHECK_AGAIN,
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = adapter.doubted() => sleep(CHECK_PAUSE).await,
        }
    }
}

/// `None`: the certificates of the settings do not fit the name, as the log says.
fn connect(
    url: &Uri,
    address: SocketAddr,
    tls: Option<&Arc<Tls>>,
    missed: &Arc<Notify>,
) -> Option<Arc<Adapter>> {
    match peers::connect_to(url, address, tls) {
        Ok(transport) => Some(Arc::new(Adapter::remote(address.to_string(), transport, missed.clone()))),
        Err(error) => {
            tracing::error!(%url, "cannot connect to the wsgi-adapter: {error}");
            None
        }
    }
}
