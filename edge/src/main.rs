//! edge: one edge as a process of its own, with its peers on the network.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use edge::{Config, Edge, Listeners, Peers};
use process::program::{self, Running};
use process::settings::{Mistakes, load_section};

/// Terminates HTTP. Exit codes: 0 done, 1 failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "edge", version)]
struct Cli {
    /// Settings file, TOML or YAML; the edge reads its [edge] table
    #[arg(long, short, value_name = "FILE", default_value = "weir.toml", global = true)]
    config: PathBuf,
    /// Reload the settings file whenever it changes, as on SIGHUP
    #[arg(long)]
    watch: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the edge with this settings file whether it is ready
    Healthcheck,
}

fn main() -> ExitCode {
    run(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("edge: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = match load(&cli.config) {
        Ok(config) => config,
        Err(mistakes) => {
            eprint!("{mistakes}");
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(Command::Healthcheck) = cli.command {
        edge::healthcheck(&config.admin)?;
        return Ok(ExitCode::SUCCESS);
    }
    let code = program::run("weir-edge", async |shutdown| {
        let peers =
            config.peers.as_ref().context("edge.peers is missing: set cache_node and wsgi_adapter")?;
        let peers = Peers::connect(peers)?;
        let listeners = Listeners::bind(&config)?;
        let grace = config.timeouts.drain.0;
        let edge = Edge::new(config, peers, shutdown)?;
        tokio::spawn(edge.clone().serve(listeners, ()));
        tracing::info!("edge is ready");
        let watched = cli.watch.then(|| cli.config.clone());
        let reload = Box::new(move || match load(&cli.config) {
            Ok(config) => edge.reload(&config),
            Err(mistakes) => tracing::error!("settings not reloaded:\n{mistakes}"),
        });
        anyhow::Ok(Running { grace, reload, watched })
    })?;
    Ok(code)
}

fn load(file: &Path) -> Result<Config, Mistakes> {
    load_section(file, "edge", &["edge", "cache_node", "wsgi_adapter"], edge::check)
}
