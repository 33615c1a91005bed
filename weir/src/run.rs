//! `weir run`: edge, cache-node and wsgi-adapter in one process, with the same contract and no socket between
//! them.

use std::path::PathBuf;
use std::process::ExitCode;

use edge::{CacheNodes, Edge, Listeners, Peers, WsgiAdapters};
use process::shutdown::Shutdown;
use process::signals::ProgramHandle;
use process::{directory, program};
use weir_proto::transport;
use wsgi_adapter::Pools;

use crate::cli::FileArgs;
use crate::settings::{self, ServiceSettings};

pub(crate) fn from_file(args: &FileArgs) -> anyhow::Result<ExitCode> {
    let file = directory::enter(&args.config);
    match settings::load(&file) {
        Ok(loaded) => run(loaded, Some(file), || ()),
        Err(mistakes) => {
            eprint!("{mistakes}");
            Ok(ExitCode::FAILURE)
        }
    }
}

pub(crate) fn healthcheck(args: &FileArgs) -> anyhow::Result<ExitCode> {
    match settings::load(&directory::enter(&args.config)) {
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

/// Runs until a signal. SIGHUP reads `file` again, then calls `also`.
pub(crate) fn run(
    loaded: ServiceSettings,
    file: Option<PathBuf>,
    mut also: impl FnMut() + 'static,
) -> anyhow::Result<ExitCode> {
    let source: Source =
        Box::new(move || Some(settings::load(file.as_ref()?).map_err(|mistakes| mistakes.to_string())));
    Ok(program::run("weir", async |shutdown| {
        let mut running = start(loaded, source, shutdown).await?;
        let mut reload = running.reload;
        running.reload = Box::new(move || {
            reload();
            also();
        });
        anyhow::Ok(running)
    })?)
}

/// Reads the settings again, for a reload; `None`: there is nothing to read.
pub(crate) type Source = Box<dyn Fn() -> Option<Result<ServiceSettings, String>>>;

pub(crate) async fn start(
    loaded: ServiceSettings,
    source: Source,
    shutdown: Shutdown,
) -> anyhow::Result<ProgramHandle> {
    let ServiceSettings { edge, cache_node, wsgi_adapter } = loaded;
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
    let running: Option<Vec<String>> =
        edge.peers.is_none().then(|| wsgi_adapter.pool.into_iter().map(|pool| pool.name).collect());
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
    Ok(ProgramHandle {
        grace,
        reload: Box::new(move || reload(&edge, running.as_deref(), &source)),
        watched: None,
    })
}

/// Sites and locations change in place; all other settings need a restart.
/// All or nothing: a site whose pool is not `running` would answer 502.
fn reload(edge: &Edge, running: Option<&[String]>, source: &Source) {
    let Some(loaded) = source() else { return };
    match loaded {
        Ok(loaded) => match new_pool(&loaded, running) {
            Some(pool) => {
                tracing::error!("settings not reloaded: the pool `{pool}` is new; restart to start it")
            }
            None => edge.reload(&loaded.edge),
        },
        Err(mistakes) => tracing::error!("settings not reloaded:\n{mistakes}"),
    }
}

/// A pool that a location of the settings names, and that does not run in this process. `running`: those that
/// do; `None`: they are in another process.
fn new_pool(loaded: &ServiceSettings, running: Option<&[String]>) -> Option<String> {
    let running = running?;
    let mut named = loaded.edge.pools().into_iter().map(|(_, pool, _)| pool);
    named.find(|pool| running.iter().all(|known| known != pool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_with_a_new_pool_is_not_taken_over() {
        let directory = std::env::temp_dir().join(format!("weir-new-pool-{}.toml", std::process::id()));
        let text = "[[edge.site]]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"b\"\n\
                    [[wsgi_adapter.pool]]\nname = \"b\"\nservers = [\"127.0.0.1:2\"]\n";
        std::fs::write(&directory, text).unwrap();
        let loaded = settings::load(&directory);
        let _ = std::fs::remove_file(&directory);
        let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(new_pool(&loaded, Some(&["a".to_owned()])), Some("b".to_owned()));
        assert_eq!(new_pool(&loaded, Some(&["a".to_owned(), "b".to_owned()])), None);
        assert_eq!(new_pool(&loaded, None), None);
    }
}
