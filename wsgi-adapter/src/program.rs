//! The program `wsgi-adapter`: its command line, and its life as a process of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::{Config, Pools};
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
    /// Settings file, TOML or YAML; its [wsgi_adapter] table counts
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
    /// Ask the wsgi-adapter that runs by this settings file whether it is ready
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
    let code = program::run("weir-wsgi-adapter", async |shutdown| {
        let listener = listen::tokio(&config.listen, "wsgi_adapter.listen")?;
        let pools = Pools::open(&config)?;
        let (control, orders) = control::channel();
        let mut guard = Guard::default();
        if config.admin != "off" {
            let listener = listen::tokio(&config.admin, "wsgi_adapter.admin")?;
            guard = Guard::new(&config.admin, &config.admin_hosts, config.admin_token_file.as_deref());
            tokio::spawn(show(listener, guard.clone(), (pools.clone(), control), shutdown.clone()));
        }
        tracing::info!("wsgi-adapter serves on {}", config.listen);
        let (tls, stopping) = (config.tls, shutdown.clone());
        let served = pools.clone();
        let serving = async move { crate::run(served, tls.as_ref(), listener, stopping).await };
        program::serve("wsgi-adapter", serving, &shutdown);
        let watched = options.watch.then(|| file.clone());
        let again = move || load(&file).map_err(|mistakes| mistakes.to_string());
        let admin = config.admin;
        let take_over = move |new: Config| {
            pools.take_over(pools.prepare(&new).map_err(|error| error.to_string())?);
            // The address is that of the start.
            if admin != "off" {
                guard.follow(&admin, &new.admin_hosts, new.admin_token_file.as_deref());
            }
            Ok(())
        };
        let fixed = [crate::FIXED, &["wsgi_adapter.admin"]].concat();
        let reload = program::reloader(tree, fixed, again, take_over);
        anyhow::Ok(ProgramHandle { watched, ..ProgramHandle::service(reload, orders) })
    })?;
    Ok(code)
}

/// Health, metrics and the pools, to the end of a drain.
async fn show(listener: TcpListener, guard: Guard, routes: (Pools, ProcessControl), shutdown: Shutdown) {
    let (readiness, exposition) = (Readiness::default(), Exposition::default());
    exposition.add(|registry| routes.0.register(registry));
    readiness.ready();
    let admin = Admin { readiness, exposition, guard, routes };
    admin::serve(listener, admin, shutdown.draining(), shutdown.finish(MAX_DRAIN)).await;
}

fn load(file: &Path) -> Result<LoadedSection<Config>, Mistakes> {
    load_section(file, "wsgi_adapter", &["edge", "cache_node", "wsgi_adapter"], Config::check_alone)
}
