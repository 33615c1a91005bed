//! wsgi-adapter: one wsgi-adapter as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use wsgi_adapter::program::{self, Options};

/// Speaks uwsgi to the application servers. Exit codes: 0 done, 1 failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "wsgi-adapter", version)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    program::run(&Cli::parse().options).unwrap_or_else(|error| {
        eprintln!("wsgi-adapter: {error:#}");
        ExitCode::FAILURE
    })
}
