//! weir: the command line, and all three services in one process.

use std::process::ExitCode;

use clap::Parser;

mod check;
mod cli;
mod explain;
mod memory;
mod plane;
mod purge;
mod run;
mod serve;
mod settings;
mod show;

fn main() -> ExitCode {
    let result = match cli::Cli::parse().command {
        cli::Command::Run(args) => run::from_file(&args),
        cli::Command::Serve(args) => serve::from_flags(&args),
        cli::Command::Check(args) => check::file(&args),
        cli::Command::Explain(args) => explain::url(&args),
        cli::Command::Show(args) => show::lists(&args),
        cli::Command::Purge(args) => purge::everywhere(&args),
        cli::Command::Healthcheck(args) => run::healthcheck(&args),
        cli::Command::Edge(options) => edge::program::run(options),
        cli::Command::CacheNode(options) => cache_node::program::run(&options),
        cli::Command::WsgiAdapter(options) => wsgi_adapter::program::run(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}
