//! `weir run`: edge, cache-node and wsgi-adapter in one process, with the same contract and no socket between
//! them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge::{CacheNodes, Edge, Listeners, Peers, WsgiAdapters};
use process::program::{self, Running};
use process::shutdown::Shutdown;
use weir_proto::transport;
use wsgi_adapter::Pools;

use crate::cli::FileArgs;
use crate::settings::{self, Loaded};

pub(crate) fn from_file(args: &FileArgs) -> anyhow::Result<ExitCode> {
    match settings::load(&args.config) {
        Ok(loaded) => run(loaded, Some(args.config.clone())),
        Err(mistakes) => {
            eprint!("{mistakes}");
            Ok(ExitCode::FAILURE)
        }
    }
}

pub(crate) fn healthcheck(args: &FileArgs) -> anyhow::Result<ExitCode> {
    match settings::load(&args.config) {
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

/// Runs until a signal. SIGHUP reads `file` again.
pub(crate) fn run(loaded: Loaded, file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    Ok(program::run("weir", async |shutdown| start(loaded, file, shutdown).await)?)
}

async fn start(loaded: Loaded, file: Option<PathBuf>, shutdown: Shutdown) -> anyhow::Result<Running> {
    let Loaded { edge, cache_node, wsgi_adapter } = loaded;
    let listeners = Listeners::bind(&edge)?;
    let node_metrics = cache_node::Metrics::default();
    let mut pools = None;
    let peers = match &edge.peers {
        Some(peers) => Peers::connect(peers)?,
        None => {
            let node = cache_node::service(&cache_node, &node_metrics, &shutdown)?;
            let adapter = wsgi_adapter::fetcher(pools.insert(Pools::open(&wsgi_adapter)?), &shutdown);
            Peers {
                cache_nodes: CacheNodes::Connected(vec![("embedded".into(), transport::in_process(node))]),
                wsgi_adapters: WsgiAdapters::Connected(vec![adapter]),
            }
        }
    };
    let grace = edge.timeouts.drain.0;
    let addresses: Vec<_> = edge.listen.iter().map(|listen| listen.address.clone()).collect();
    let edge = Edge::new(edge, peers, shutdown)?;
    edge.metrics().register(|registry| {
        node_metrics.register(registry);
        if let Some(pools) = &pools {
            pools.register(registry);
        }
    });
    tokio::spawn(edge.clone().serve(listeners, pools));
    tracing::info!("weir serves on {}", addresses.join(", "));
    Ok(Running { grace, reload: Box::new(move || reload(&edge, file.as_deref())), watched: None })
}

/// Sites and locations change in place; all other settings need a restart.
fn reload(edge: &Edge, file: Option<&Path>) {
    let Some(file) = file else { return };
    match settings::load(file) {
        Ok(loaded) => edge.reload(&loaded.edge),
        Err(mistakes) => tracing::error!("settings not reloaded:\n{mistakes}"),
    }
}
