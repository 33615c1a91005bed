//! The command line.

mod serve;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use process::units::Time;

use crate::serve::parse;

pub(crate) use serve::{ServeArgs, ServerArgs, ServerKind};

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
    /// Serve a site without a settings file: starts the application's server, with safe defaults and static
    /// files
    Serve(Box<ServeArgs>),
    /// Run all three services in this process, from a settings file
    Run(RunArgs),
    /// Check a settings file: print every mistake; exit code 1 if there is one
    Check(CheckArgs),
    /// Explain, rule by rule, why a URL is cached or not; asks the application once and stores nothing
    Explain(ExplainArgs),
    /// Crawl a site, and list pages that leak, differ, or could be cached and are not; needs the wheel
    #[command(disable_help_flag = true)]
    Audit(AuditArgs),
    /// Print the settings in force, each with where it comes from; or the built-in lists: which request
    /// fields and cookies tell visitors apart, split a page, or are ignored
    Show(ShowArgs),
    /// Examine what is misconfigured on this machine: servers, files, certificates, Redis, limits; exit code
    /// 1 if something is wrong
    Doctor(DoctorArgs),
    /// Print the JSON Schema of the settings file, for editors
    Schema,
    /// Print requests of all edges as they end, those that fit a filter: status >= 500 and path ~ "^/api"
    Log(LogArgs),
    /// Show what happens now at all edges: requests, latency, hottest and most expensive pages, servers,
    /// clients, purges, errors
    Top(TopArgs),
    /// Print the address of the live page, with the token behind the #: whoever opens it sees all edges, and
    /// may drain and add servers
    Live(LiveArgs),
    /// Purge pages everywhere, through the admin address of a running weir or edge; exit code 0 when the
    /// purge is complete
    Purge(PurgeArgs),
    /// Make a running weir or edge read its settings again, and print what has changed; exit code 0 if it has
    /// taken them over
    Reload(ControlArgs),
    /// Make a running weir or edge start its program anew and hand over to it without a lost request; exit
    /// code 0 when the new process serves
    Upgrade(ControlArgs),
    /// Ask a running weir whether it is ready; exit code 0 if it is
    Healthcheck(HealthcheckArgs),
    /// Run the edge alone, the same as the program `edge`
    Edge(edge::program::Options),
    /// Run a cache-node alone, the same as the program `cache-node`
    CacheNode(cache_node::program::Options),
    /// Run a wsgi-adapter alone, the same as the program `wsgi-adapter`
    WsgiAdapter(wsgi_adapter::program::Options),
    /// Run an nginx.conf as it is, with nginx's command line: -c, -p, -t, -T, -s, -g …; `weir nginx -h`
    #[command(disable_help_flag = true)]
    Nginx(NginxArgs),
    /// Print an nginx.conf as weir.toml, each line with the one it comes from
    NginxImport(ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NginxArgs {
    /// nginx's own options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// URL, and the options that `weir audit --help` lists
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// nginx.conf, or a file of conf.d or sites-enabled
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What relative paths begin with [default: /etc/nginx/]
    #[arg(long, short, value_name = "DIRECTORY")]
    pub(crate) prefix: Option<String>,
    /// Keep pages of applications for this time, such as 1s
    #[arg(long, value_name = "TIME")]
    pub(crate) microcache: Option<String>,
    /// Fill ${NAME} in the files from the environment
    #[arg(long)]
    pub(crate) envsubst: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Reload the settings file whenever it changes, as on SIGHUP
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Settings file, TOML or YAML
    #[arg(long, short, value_name = "FILE", default_value = "weir.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Address of the admin listener, if there is no settings file: that of `weir serve` is 127.0.0.1:9900
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config")]
    pub(crate) admin: Option<String>,
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

/// Which edges to ask.
#[derive(Debug, Args)]
pub(crate) struct EdgesArgs {
    /// Admin address of an edge, or a name of all of them; may be repeated [default: the one in the settings
    /// file]. The edges that its cache-nodes know are found by themselves
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Vec<String>,
    /// Only the edges that --admin or the settings file names
    #[arg(long)]
    pub(crate) only: bool,
    /// File with the admin token [default: the one in the settings file, or the one that the running process
    /// has written]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Settings file, TOML or YAML [default: weir.toml, if it exists]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
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
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
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
pub(crate) struct LogArgs {
    /// Which requests, such as 'status >= 500 and path ~ "^/api"'; left out: all. Fields: status, method,
    /// host, path, query, url, client, site, location, cache, reason, pool, server, agent, referer, protocol,
    /// time, application, connect, tries, bytes
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// End after this many
    #[arg(long, short = 'n', value_name = "NUMBER")]
    pub(crate) lines: Option<u64>,
    /// End after this time, such as 10s
    #[arg(long = "for", value_name = "TIME", value_parser = parse::duration)]
    pub(crate) time: Option<Time>,
    #[command(flatten)]
    pub(crate) edges: EdgesArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Settings file, TOML or YAML [default: weir.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Print the figures once, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// As JSON
    #[arg(long, requires = "once")]
    pub(crate) json: bool,
    /// The time that the figures are about, from 1s to 9m; for --once [default: 10s]
    #[arg(long = "for", value_name = "TIME", value_parser = parse::duration, requires = "once")]
    pub(crate) time: Option<Time>,
    #[command(flatten)]
    pub(crate) edges: EdgesArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// "cookies", "fields" or "query" for a list; the beginning of a setting, such as edge.l1; left out: all
    /// settings
    #[arg(value_name = "WHAT")]
    pub(crate) what: Option<String>,
    /// Settings file, TOML or YAML [default: weir.toml]
    #[arg(long, short, value_name = "FILE", conflicts_with = "serve")]
    pub(crate) config: Option<PathBuf>,
    /// Also the defaults of sites and locations
    #[arg(long)]
    pub(crate) all: bool,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Flags of `weir serve`, instead of a settings file
    #[arg(last = true, value_name = "FLAGS")]
    pub(crate) serve: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Settings file, TOML or YAML [default: weir.toml]
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// Another way to name it, as for `weir run`
    #[arg(long, short, value_name = "FILE", default_value = "weir.toml", hide_default_value = true)]
    config: PathBuf,
}

impl CheckArgs {
    pub(crate) fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(&self.config)
    }
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
