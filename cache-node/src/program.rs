//! The program `cache-node`: its command line, and its life as a process of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::Config;
use admin::{Admin, Guard, Readiness};
use clap::{Args, Subcommand};
use process::settings::{Mistakes, load_section};
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
    let Some(config) = program::settings(load(&directory::enter(&options.config))) else {
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
        if config.admin != "off" {
            let listener = listen::tokio(&config.admin, "cache_node.admin")?;
            let guard = Guard::of_figures(&config.admin, &config.admin_hosts);
            let admin: Admin = Admin { readiness: readiness.clone(), guard, ..Admin::default() };
            admin.exposition.add(|registry| metrics.register(registry));
            tokio::spawn(show(listener, admin, shutdown.clone()));
        }
        tracing::info!("cache-node serves on {}", config.listen);
        program::serve(
            "cache-node",
            crate::run(config, listener, metrics, readiness, shutdown.clone()),
            &shutdown,
        );
        anyhow::Ok(ProgramHandle::service())
    })?;
    Ok(code)
}

/// Health and metrics, to the end of a drain.
async fn show(listener: TcpListener, admin: Admin, shutdown: Shutdown) {
    admin::serve(listener, admin, shutdown.draining(), shutdown.finish(MAX_DRAIN)).await;
}

fn load(file: &Path) -> Result<Config, Mistakes> {
    load_section(file, "cache_node", &["edge", "cache_node", "wsgi_adapter"], crate::check)
}
