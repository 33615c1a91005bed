//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A web server and cache for Python web applications: static files, a one-second cache that all edges share,
/// uwsgi to the application
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "weir", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a site without a settings file: safe defaults, one application, static files
    Serve(ServeArgs),
    /// Run all three services in this process, from a settings file
    Run(FileArgs),
    /// Check a settings file: print every mistake; exit code 1 if there is one
    Check(CheckArgs),
    /// Explain, rule by rule, why a URL is cached or not; asks the application once and stores nothing
    Explain(ExplainArgs),
    /// Print the built-in lists: which request fields and cookies tell visitors apart, split a page, or are
    /// ignored
    Show(ShowArgs),
    /// Purge pages everywhere, through the admin address of a running weir or edge; exit code 0 when the
    /// purge is complete
    Purge(PurgeArgs),
    /// Ask a running weir whether it is ready; exit code 0 if it is
    Healthcheck(FileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Settings file, TOML or YAML
    #[arg(long, short, value_name = "FILE", default_value = "weir.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The URL as a client requests it: http://example.com/page
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The method of the request
    #[arg(long = "request", short = 'X', value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// A request field: "Cookie: sessionid=a"; may be repeated
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    pub(crate) fields: Vec<String>,
    /// Address of the admin listener [default: the one in the settings file]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// File with the admin token [default: the one in the settings file, or the one that the running process
    /// has written]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Settings file, TOML or YAML [default: weir.toml, if it exists]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[arg(value_name = "WHAT")]
    pub(crate) what: Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shown {
    /// Names of request fields
    Fields,
    /// Names of cookies
    Cookies,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Settings file, TOML or YAML
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["url", "prefix", "tag", "all"])))]
pub(crate) struct PurgeArgs {
    /// A page, with all its variants: https://example.com/news/; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<String>,
    /// All pages whose URL begins with this; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) prefix: Vec<String>,
    /// All pages with this tag (Surrogate-Key, Cache-Tag); may be repeated
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Every page
    #[arg(long)]
    pub(crate) all: bool,
    /// Make the pages stale instead of removing them
    #[arg(long)]
    pub(crate) soft: bool,
    /// Admin address of any edge [default: the one in the settings file]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<String>,
    /// File with the admin token [default: the one in the settings file, or the one that the running process
    /// has written]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Settings file, TOML or YAML [default: weir.toml, if it exists]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Application server that speaks uwsgi: 127.0.0.1:29000, or unix:/run/app.sock; may be repeated
    #[arg(long, value_name = "ADDRESS", required = true)]
    pub(crate) app: Vec<String>,
    /// Static files: /static/=./static; may be repeated
    #[arg(long = "static", value_name = "PREFIX=DIRECTORY")]
    pub(crate) statics: Vec<String>,
    /// Address to serve HTTP on
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Address for metrics, health and the live page; "off" for none
    #[arg(long, default_value = "127.0.0.1:9900")]
    pub(crate) admin: String,
    /// How long a page is cached
    #[arg(long, default_value = "1s")]
    pub(crate) ttl: String,
    /// The buffer-size of the application server (uWSGI's default is 4096)
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    pub(crate) buffer_size: u64,
}
