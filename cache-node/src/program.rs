//! The program `cache-node`: its command line, and its life as a process of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::Config;
use admin::{Admin, Exposition, Guard, Readiness};
use clap::{Args, Subcommand};
use process::control::{self, ProcessControl};
use process::settings::{LoadedSection, Mistakes, load_section};
use process::shutdown::Shutdown;
use process::signals::ProgramHandle;
use process::{directory, listen, program};
use tokio::net::TcpListener;

/// The admin listener outlives the start of a drain by no more than this; the process ends sooner.
const MAX_DRAIN: Duration = Duration::from_secs(3600);

/// What the command line says.
#[derive(Debug, Args)]
pub struct Options {
    /// Settings file, TOML or YAML; its [cache_node] table counts
    #[arg(long, short, value_name = "FILE", default_value = "weir.toml", global = true)]
    config: PathBuf,
    /// Reload the settings file whenever it changes, as on SIGHUP
    #[arg(long)]
    watch: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask the cache-node that runs by this settings file whether it is ready
    Healthcheck,
}

/// Runs until a signal, or does what the sub-command says.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let file = directory::enter(&options.config);
    let Some(LoadedSection { section: config, tree }) = program::settings(load(&file)) else {
        return Ok(ExitCode::FAILURE);
    };
    if let Some(Command::Healthcheck) = options.command {
        match config.tls {
            // gRPC would ask for an edge's certificate.
            Some(_) => admin::healthcheck(&config.admin)?,
            None => program::block_on(weir_proto::health::check(&config.listen))??,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let code = program::run("weir-cache-node", async |shutdown| {
        let listener = listen::tokio(&config.listen, "cache_node.listen")?;
        let (metrics, readiness) = (crate::Metrics::default(), Readiness::default());
        let (control, orders) = control::channel();
        let mut guard = Guard::default();
        if config.admin != "off" {
            let listener = listen::tokio(&config.admin, "cache_node.admin")?;
            guard = Guard::new(&config.admin, &config.admin_hosts, config.admin_token_file.as_deref());
            let exposition = Exposition::default();
            let admin =
                Admin { readiness: readiness.clone(), exposition, guard: guard.clone(), routes: control };
            admin.exposition.add(|registry| metrics.register(registry));
            tokio::spawn(show(listener, admin, shutdown.clone()));
        }
        tracing::info!("cache-node serves on {}", config.listen);
        let admin = config.admin.clone();
        let node = crate::open(&config, metrics, &shutdown)?;
        node.inherit(config.memory.0).await;
        let legacy = node.legacy();
        program::serve(
            "cache-node",
            crate::run(node.clone(), config, listener, readiness, shutdown.clone()),
            &shutdown,
        );
        let watched = options.watch.then(|| file.clone());
        let again = move || load(&file).map_err(|mistakes| mistakes.to_string());
        let take_over = move |config: Config| {
            node.take_over_with_authority(&config);
            // The address is that of the start.
            if admin != "off" {
                guard.follow(&admin, &config.admin_hosts, config.admin_token_file.as_deref());
            }
            Ok(())
        };
        let reload = program::reloader(tree, crate::FIXED.to_vec(), again, take_over);
        anyhow::Ok(ProgramHandle { watched, legacy, ..ProgramHandle::service(reload, orders) })
    })?;
    Ok(code)
}

/// Health and metrics, to the end of a drain.
async fn show(listener: TcpListener, admin: Admin<ProcessControl>, shutdown: Shutdown) {
    admin::serve(listener, admin, shutdown.draining(), shutdown.finish(MAX_DRAIN)).await;
}

fn load(file: &Path) -> Result<LoadedSection<Config>, Mistakes> {
    load_section(file, "cache_node", &["edge", "cache_node", "wsgi_adapter"], crate::check)
}
