//! `weir serve mysite.wsgi`: a site in one command, with its application's server, without a settings file.

mod answers;
mod application;
mod changes;
mod environment;
mod https;
mod orphans;
pub(crate) mod parse;
pub(crate) mod python;
mod server;
mod site;
mod values_key;

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use edge::Listeners;
use process::program;
use process::units::Size;
use wsgi_adapter::{KeepaliveConfig, ServerConfig};

use crate::cli::{Cli, Command, ServeArgs, ServerArgs};
use crate::companion::{ApplicationWatch, Companion};
use crate::private_directory::PrivateDirectory;
use crate::run::{self, Preparation};
use crate::settings::{self, ServiceSettings};
use application::Application;
use environment::Environment;
use server::Server;

pub(crate) fn from_flags(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    if args.print_config {
        return print(&text(args)?);
    }
    let directory = PrivateDirectory::make("serve")?;
    let (file, _removed) = match &args.config {
        Some(file) => (file.clone(), args.remove_config.then(|| file.parent().map(own)).flatten()),
        None => {
            let file = directory.path().join("weir.toml");
            fs::write(&file, text(args)?).with_context(|| file.display().to_string())?;
            (file, None)
        }
    };
    let Some(loaded) = program::settings(settings::load(&file)) else { return Ok(ExitCode::FAILURE) };
    let again = Box::new(move || settings::load(&file).map_err(|mistakes| mistakes.to_string()));
    // The application goes on until weir has drained; then it is dropped.
    let application = OnceCell::new();
    let prepared = Preparation { loaded, again, companion: None };
    let Some(name) = &args.application else { return run::run(None, async || Ok(prepared)) };
    let of_flags = ["--listen", "--admin"];
    let names =
        if args.config.is_some() && !args.remove_config { ["edge.listen", "edge.admin"] } else { of_flags };
    let ended = run::run(None, async || {
        // The application may take long, and would be started in vain.
        Listeners::check(&prepared.loaded.edge, names).map_err(|error| anyhow::anyhow!("{error}"))?;
        begin(name, &args.server, prepared, directory, &application).await
    })?;
    Ok(if application.get().is_some_and(Application::is_lost) { ExitCode::FAILURE } else { ended })
}

/// Starts the application's server, and waits until it answers.
async fn begin(
    name: &str,
    args: &ServerArgs,
    prepared: Preparation,
    directory: PrivateDirectory,
    application: &OnceCell<Application>,
) -> anyhow::Result<Preparation> {
    let Preparation { mut loaded, again, .. } = prepared;
    let python = python::find(args.python.as_deref())?;
    let mut environment = Environment { file: args.env_file.clone(), told: Vec::new() };
    let mut found = python::probe(&python, name, &environment).await?;
    found.host = args.host.clone().or(found.host);
    let server = Server::choose(args, python, found)?;
    let values_key = match loaded.edge.values_key_file.clone() {
        Some(file) => file,
        None => values_key::file(directory.path()).context("the key for named values cannot be written")?,
    };
    let pointer = PoolPointer::of(&server, &application::socket(directory.path()), &values_key)?;
    pointer.point(&mut loaded)?;
    eprintln!("weir: {}", server.told());
    // What the application's part of Weir must know.
    environment.told = vec![
        ("WEIR_ADMIN", loaded.edge.admin.clone().into()),
        ("WEIR_VALUES_KEY_FILE", std::path::absolute(values_key)?.into()),
    ];
    let (started, renewed) = Application::start(server, directory, environment, args.reload).await?;
    let watch = ApplicationWatch { renewed, pool: site::POOL, doubt: Box::new(started.doubter()) };
    let companion = Companion { reload: Box::new(started.reloader()), watch };
    let _ = application.set(started);
    let again = move || {
        let mut loaded = again()?;
        pointer.point(&mut loaded).map_err(|error| error.to_string())?;
        Ok(loaded)
    };
    Ok(Preparation { loaded, again: Box::new(again), companion: Some(companion) })
}

/// The settings that these arguments of `weir serve` stand for.
pub(crate) fn settings_of(arguments: &[String]) -> anyhow::Result<String> {
    let parsed = Cli::try_parse_from(
        ["weir", "serve"].into_iter().map(str::to_owned).chain(arguments.iter().cloned()),
    );
    match parsed.map_err(|mistake| anyhow::anyhow!("{mistake}"))?.command {
        Command::Serve(args) => text(&args),
        _ => anyhow::bail!("these are no flags of weir serve"),
    }
}

/// What the settings need to lead to the server that weir starts.
struct PoolPointer {
    server: ServerConfig,
    values_key: PathBuf,
    speaks_uwsgi: bool,
    at_once: usize,
    buffer_size: Size,
}

impl PoolPointer {
    fn of(server: &Server, socket: &Path, values_key: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            values_key: values_key.to_owned(),
            server: ServerConfig::new(server.address(socket).parse()?),
            speaks_uwsgi: server.speaks_uwsgi(),
            at_once: usize::try_from(server.at_once())?,
            buffer_size: Size(server.buffer_size()),
        })
    }

    fn point(&self, loaded: &mut ServiceSettings) -> anyhow::Result<()> {
        loaded.edge.values_key_file.get_or_insert_with(|| self.values_key.clone());
        let pool = loaded.wsgi_adapter.pool.iter_mut().find(|pool| pool.name == site::POOL);
        let pool = pool.with_context(|| {
            format!("the settings have no [[wsgi_adapter.pool]] named \"{}\"", site::POOL)
        })?;
        if !pool.mount.is_empty() && !self.speaks_uwsgi {
            anyhow::bail!("`mount` (FORCE_SCRIPT_NAME) needs uWSGI: pip install pyuwsgi, or leave it out");
        }
        pool.servers = vec![self.server.clone()];
        pool.max_in_flight = self.at_once;
        pool.buffer_size = self.buffer_size;
        // A connection that is kept may end with the generation of the server that it leads to.
        pool.keepalive = KeepaliveConfig { connections: 0, ..KeepaliveConfig::default() };
        Ok(())
    }
}

fn text(args: &ServeArgs) -> anyhow::Result<String> {
    match &args.config {
        Some(file) => fs::read_to_string(file).with_context(|| file.display().to_string()),
        None => site::settings(args),
    }
}

fn own(directory: &Path) -> PrivateDirectory {
    PrivateDirectory::own(PathBuf::from(directory))
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn print(text: &str) -> anyhow::Result<ExitCode> {
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}
