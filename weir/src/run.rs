//! `weir run`: edge, cache-node and wsgi-adapter in one process, with the same contract and no socket between
//! them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use cache_node::NodeHandle;
use edge::{CacheNodes, EdgeServer, Listeners, Peers, WsgiAdapters};
use process::settings::LoadedSection;
use process::shutdown::Shutdown;
use process::signals::ProgramHandle;
use process::{control, directory, program};
use weir_proto::transport;
use wsgi_adapter::Pools;

use crate::cli::{HealthcheckArgs, RunArgs};
use crate::companion::{ApplicationWatch, Companion};
use crate::settings::{self, ServiceSettings};

pub(crate) fn from_file(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let file = directory::enter(&args.file.config);
    let Some(loaded) = program::settings(settings::load(&file)) else { return Ok(ExitCode::FAILURE) };
    let watched = args.watch.then(|| file.clone());
    let again = move || settings::load(&file).map_err(|mistakes| mistakes.to_string());
    run(watched, async || Ok(Preparation { loaded, again: Box::new(again), companion: None }))
}

pub(crate) fn healthcheck(args: &HealthcheckArgs) -> anyhow::Result<ExitCode> {
    if let Some(admin) = &args.admin {
        edge::healthcheck(admin)?;
        return Ok(ExitCode::SUCCESS);
    }
    match settings::load(&directory::enter(&args.file.config)) {
        Ok(loaded) => {
            edge::healthcheck(&loaded.edge.admin)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(mistakes) => {
            eprint!("{mistakes}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What there must be before the services start.
pub(crate) struct Preparation {
    pub(crate) loaded: ServiceSettings,
    /// What a reload reads.
    pub(crate) again: Source,
    pub(crate) companion: Option<Companion>,
}

/// Runs until a signal. One that comes before all is prepared drops `prepare`.
pub(crate) fn run(
    watched: Option<PathBuf>,
    prepare: impl AsyncFnOnce() -> anyhow::Result<Preparation>,
) -> anyhow::Result<ExitCode> {
    Ok(program::run("weir", async |shutdown| {
        let Preparation { loaded, again, companion } = prepare().await?;
        let (also, beside) = companion.map(Companion::parts).unzip();
        let mut running = start(loaded, again, shutdown, beside).await?;
        if let Some(mut also) = also {
            let mut reload = running.reload;
            running.reload = Box::new(move || {
                let report = reload();
                also();
                report
            });
        }
        running.watched = watched;
        anyhow::Ok(running)
    })?)
}

/// Reads the settings again, for a reload; or says what is wrong.
pub(crate) type Source = Box<dyn Fn() -> Result<ServiceSettings, String>>;

pub(crate) async fn start(
    loaded: ServiceSettings,
    again: Source,
    shutdown: Shutdown,
    beside: Option<ApplicationWatch>,
) -> anyhow::Result<ProgramHandle> {
    let ServiceSettings { edge, cache_node, wsgi_adapter, tree } = loaded;
    let listeners = Listeners::bind(&edge)?;
    let node_metrics = cache_node::Metrics::default();
    let (mut pools, mut node) = (None, None);
    let peers = match &edge.peers {
        Some(peers) => Peers::connect(peers)?,
        None => {
            let (service, handle) = cache_node::service(&cache_node, &node_metrics, &shutdown)?;
            handle.inherit(cache_node.memory.0).await;
            node = Some(handle);
            let adapter = wsgi_adapter::fetcher(pools.insert(Pools::open(&wsgi_adapter)?), &shutdown);
            Peers {
                cache_nodes: CacheNodes::Connected(vec![("embedded".into(), transport::in_process(service))]),
                wsgi_adapters: WsgiAdapters::Connected(vec![adapter]),
            }
        }
    };
    let grace = edge.timeouts.drain.0;
    let addresses: Vec<_> = edge.listen.iter().map(|listen| listen.address.clone()).collect();
    let edge = EdgeServer::new(edge, peers, shutdown.clone())?;
    edge.metrics().register(|registry| {
        node_metrics.register(registry);
        if let Some(pools) = &pools {
            pools.register(registry);
        }
    });
    let (control, orders) = control::channel();
    tokio::spawn(edge.clone().serve(listeners, (pools.clone(), control)));
    edge.opened().await;
    tracing::info!("weir serves on {}", addresses.join(", "));
    if let Some(beside) = beside {
        let watching = beside.watch(edge.clone(), pools.clone(), shutdown.clone());
        program::serve("the application", watching, &shutdown);
    }
    let again = move || {
        let loaded = again()?;
        let tree = loaded.tree.clone();
        Ok(LoadedSection { section: loaded, tree })
    };
    let legacy = node.as_ref().and_then(NodeHandle::legacy);
    let services = RunningServices { edge, node, pools };
    let take_over = move |loaded| services.take_over(loaded);
    let reload = Box::new(program::reloader(tree, fixed(), again, take_over));
    Ok(ProgramHandle { grace, reload, watched: None, orders: Some(orders), legacy })
}

/// The settings that only a new process takes over.
pub(crate) fn fixed() -> Vec<&'static str> {
    [edge::FIXED, cache_node::FIXED, wsgi_adapter::FIXED].concat()
}

/// The three services of this process; those of `edge.peers` are in others.
struct RunningServices {
    edge: Arc<EdgeServer>,
    node: Option<NodeHandle>,
    pools: Option<Pools>,
}

impl RunningServices {
    /// Everything that new settings need is there before anything changes.
    fn take_over(&self, loaded: ServiceSettings) -> Result<(), String> {
        let edge = self.edge.prepare(loaded.edge).map_err(|error| error.to_string())?;
        if let Some(pools) = &self.pools {
            // The last thing that can fail.
            pools.take_over(pools.prepare(&loaded.wsgi_adapter).map_err(|error| error.to_string())?);
        }
        if let Some(node) = &self.node {
            node.take_over(&loaded.cache_node);
        }
        self.edge.take_over(edge).map_err(|error| error.to_string())
    }
}
