//! edge: one edge as a process of its own, with its peers on the network.

use std::process::ExitCode;

use clap::Parser;
use edge::program::{self, Options};

/// Terminates HTTP. Exit codes: 0 done, 1 failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "edge", version)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    program::run(Cli::parse().options).unwrap_or_else(|error| {
        eprintln!("edge: {error:#}");
        ExitCode::FAILURE
    })
}
