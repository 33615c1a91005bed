//! edge: one edge as a process of its own, with its peers on the network.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use edge::{Config, Edge, Listeners, Peers};
use process::settings::Settings;
use process::shutdown::Shutdown;
use process::telemetry::{self, TelemetryOptions};
use process::{nofile, signals};

/// Terminates HTTP. Exit codes: 0 done, 1 failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "edge", version)]
struct Cli {
    /// Settings file, TOML or YAML; its [edge] table counts
    #[arg(long, short, value_name = "FILE", default_value = "weir.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the edge that runs by this settings file whether it is ready
    Healthcheck(Healthcheck),
}

#[derive(Debug, Args)]
struct Healthcheck {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("edge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let config = match load(&cli.config) {
        Ok(config) => config,
        Err(mistakes) => {
            eprint!("{mistakes}");
            return Ok(ExitCode::FAILURE);
        }
    };
    if cli.command.is_some() {
        edge::healthcheck(&config.admin)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = TelemetryOptions {
        service_name: "weir-edge".into(),
        log_format: telemetry::LogFormat::Text,
        log_filter: "info".into(),
    };
    let telemetry = telemetry::init(&options, std::env::vars())?;
    nofile::raise_nofile();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stopped = runtime.block_on(async {
        let peers = config.peers.as_ref().context("edge.peers: say where cache_node and wsgi_adapter are")?;
        let peers = Peers::connect(peers)?;
        let listeners = Listeners::bind(&config)?;
        let shutdown = Shutdown::new();
        let grace = config.timeouts.drain.0;
        let edge = Edge::new(config, peers, shutdown.clone())?;
        let serving = tokio::spawn(edge.clone().serve(listeners));
        tracing::info!("edge is ready");
        let stopped = signals::run_until_stopped(&shutdown, grace, || match load(&cli.config) {
            Ok(config) => edge.reload(&config),
            Err(mistakes) => tracing::error!("settings not taken over:\n{mistakes}"),
        })
        .await?;
        let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
        anyhow::Ok(stopped)
    })?;
    telemetry.shutdown(Duration::from_secs(2));
    Ok(stopped.into())
}

fn load(file: &std::path::Path) -> Result<Config, process::settings::Mistakes> {
    let settings = Settings::load(Some(file), std::env::vars())?;
    let mut mistakes = settings.mistakes();
    settings.unknown_sections(&["edge", "cache_node", "wsgi_adapter"], &mut mistakes);
    let config: Option<Config> = settings.section("edge", &mut mistakes);
    if let Some(config) = &config {
        config.check(&mut mistakes);
    }
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(mistakes),
    }
}
