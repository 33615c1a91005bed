//! weir: the command line, and all three services in one process.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

mod audit;
mod check;
mod cli;
mod companion;
mod control;
mod doctor;
mod edges;
mod explain;
mod live;
mod log;
mod memory;
mod nginx;
mod plane;
mod private_directory;
mod purge;
mod run;
mod schema;
mod serve;
mod settings;
mod show;
mod top;

fn main() -> ExitCode {
    process::legacy::begin();
    let result = match command_of_nginx() {
        Some(arguments) => nginx::command(&arguments),
        None => run_command(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What only prints ends well if its reader has read enough: `weir show | head`.
fn printed(result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let is_broken_pipe = |error: &anyhow::Error| {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        kind == Some(std::io::ErrorKind::BrokenPipe)
    };
    match result {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

/// The arguments, if the program was called by the name `nginx`.
fn command_of_nginx() -> Option<Vec<String>> {
    let mut arguments = std::env::args();
    let name = arguments.next()?;
    let is_nginx = Path::new(&name).file_name().is_some_and(|name| name == "nginx");
    is_nginx.then(|| arguments.collect())
}

fn run_command() -> anyhow::Result<ExitCode> {
    match cli::Cli::parse().command {
        cli::Command::Run(args) => run::from_file(&args),
        cli::Command::Serve(args) => serve::from_flags(&args),
        cli::Command::Check(args) => check::file(&args),
        cli::Command::Explain(args) => explain::url(&args),
        cli::Command::Audit(args) => audit::audit(&args),
        cli::Command::Show(args) => printed(show::show(&args)),
        cli::Command::Doctor(args) => doctor::examine(&args),
        cli::Command::Schema => printed(schema::print()),
        cli::Command::Log(args) => log::requests(&args),
        cli::Command::Top(args) => top::top(&args),
        cli::Command::Live(args) => live::page(&args),
        cli::Command::Purge(args) => purge::everywhere(&args),
        cli::Command::Reload(args) => control::reload(&args),
        cli::Command::Upgrade(args) => control::upgrade(&args),
        cli::Command::Healthcheck(args) => run::healthcheck(&args),
        cli::Command::Edge(options) => edge::program::run(options),
        cli::Command::CacheNode(options) => cache_node::program::run(&options),
        cli::Command::WsgiAdapter(options) => wsgi_adapter::program::run(&options),
        cli::Command::Nginx(args) => nginx::command(&args.arguments),
        cli::Command::NginxImport(args) => nginx::import(&args),
    }
}
