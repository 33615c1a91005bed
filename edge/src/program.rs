//! The program `edge`: its command line, and its life as a process of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{Config, EdgeServer, Listeners, Peers};
use anyhow::Context;
use clap::{Args, Subcommand};
use process::control;
use process::settings::{LoadedSection, Mistakes, load_section};
use process::signals::ProgramHandle;
use process::{directory, program};

/// What the command line says.
#[derive(Debug, Args)]
pub struct Options {
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
pub enum Command {
    /// Ask the edge with this settings file whether it is ready
    Healthcheck,
}

/// Runs until a signal, or does what the sub-command says.
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let file = directory::enter(&options.config);
    let Some(LoadedSection { section: config, tree }) = program::settings(load(&file)) else {
        return Ok(ExitCode::FAILURE);
    };
    if let Some(Command::Healthcheck) = options.command {
        crate::healthcheck(&config.admin)?;
        return Ok(ExitCode::SUCCESS);
    }
    let code = program::run("weir-edge", async |shutdown| {
        let peers =
            config.peers.as_ref().context("edge.peers is missing: set cache_node and wsgi_adapter")?;
        let peers = Peers::connect(peers)?;
        let listeners = Listeners::bind(&config)?;
        let grace = config.timeouts.drain.0;
        let edge = EdgeServer::new(config, peers, shutdown)?;
        let (control, orders) = control::channel();
        tokio::spawn(edge.clone().serve(listeners, control));
        edge.opened().await;
        tracing::info!("edge is ready");
        let watched = options.watch.then(|| file.clone());
        let again = move || load(&file).map_err(|mistakes| mistakes.to_string());
        let take_over = move |config| edge.reload(config).map_err(|error| error.to_string());
        let reload = Box::new(program::reloader(tree, crate::FIXED.to_vec(), again, take_over));
        anyhow::Ok(ProgramHandle { grace, reload, watched, orders: Some(orders), legacy: None })
    })?;
    Ok(code)
}

fn load(file: &Path) -> Result<LoadedSection<Config>, Mistakes> {
    load_section(file, "edge", &["edge", "cache_node", "wsgi_adapter"], crate::check)
}
