//! `weir serve mysite.wsgi`: a site in one command, with its application's server, without a settings file.

mod answers;
mod application;
mod changes;
mod https;
pub(crate) mod parse;
mod python;
mod server;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use process::units::Size;
use wsgi_adapter::{KeepaliveConfig, ServerConfig};

use crate::cli::ServeArgs;
use crate::private_directory::PrivateDirectory;
use crate::run;
use crate::settings::{self, ServiceSettings};
use application::Application;
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
    let mut loaded = match settings::load(&file) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            eprint!("{mistakes}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let Some(name) = &args.application else { return run::run(loaded, Some(file), || ()) };
    let python = python::find(args.server.python.as_deref())?;
    let mut found = python::probe(&python, name)?;
    found.host = args.server.host.clone().or(found.host);
    let server = Server::choose(&args.server, python, found)?;
    point(&mut loaded, &server, &application::socket(directory.path()))?;
    eprintln!("weir: {}", server.told());
    let admin = loaded.edge.admin.clone();
    let application = Application::start(server, directory, admin, args.server.reload)?;
    // The application goes on until weir has drained; then it is dropped.
    run::run(loaded, Some(file), application.reloader())
}

/// Points the pool to the server that weir starts.
fn point(loaded: &mut ServiceSettings, server: &Server, socket: &Path) -> anyhow::Result<()> {
    let pool = loaded.wsgi_adapter.pool.iter_mut().find(|pool| pool.name == site::POOL);
    let pool =
        pool.with_context(|| format!("the settings have no [[wsgi_adapter.pool]] named \"{}\"", site::POOL))?;
    if !pool.mount.is_empty() && !server.speaks_uwsgi() {
        anyhow::bail!("`mount` (FORCE_SCRIPT_NAME) needs uWSGI: pip install pyuwsgi, or leave it out");
    }
    pool.servers = vec![ServerConfig::new(server.address(socket).parse()?)];
    pool.max_in_flight = usize::try_from(server.at_once())?;
    pool.buffer_size = Size(server.buffer_size());
    // A connection that is kept may end with the generation of the server that it leads to.
    pool.keepalive = KeepaliveConfig { connections: 0, ..KeepaliveConfig::default() };
    Ok(())
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
