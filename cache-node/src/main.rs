//! cache-node: one cache-node as a process of its own.

use std::process::ExitCode;

use cache_node::program::{self, Options};
use clap::Parser;

/// The microcache all edges share. Exit codes: 0 done, 1 failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "cache-node", version)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    program::run(&Cli::parse().options).unwrap_or_else(|error| {
        eprintln!("cache-node: {error:#}");
        ExitCode::FAILURE
    })
}
