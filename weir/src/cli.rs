//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use process::units::Time;

use crate::serve::parse;

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

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The application: a module and its callable, such as mysite.wsgi, mysite.asgi or app:app. Weir starts
    /// the server for it: uWSGI, gunicorn, granian or uvicorn, whichever is installed
    #[arg(value_name = "MODULE[:CALLABLE]", required_unless_present_any = ["app", "config"])]
    pub(crate) application: Option<String>,
    /// An application server that runs already: 127.0.0.1:29000, unix:/run/app.sock or
    /// http://127.0.0.1:8000; may be repeated
    #[arg(long, value_name = "ADDRESS", conflicts_with = "application", value_parser = parse::address)]
    pub(crate) app: Vec<String>,
    /// A settings file instead of the flags for the site; MODULE then serves its pool named "app"
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["app", "statics", "listen", "admin", "ttl",
        "buffer_size", "max_body", "timeout", "trusted_proxy", "purge_allow", "tls", "domain"])]
    pub(crate) config: Option<PathBuf>,
    /// Remove the settings file and its directory at the end
    #[arg(long, hide = true, requires = "config")]
    pub(crate) remove_config: bool,
    /// Static files: /static/=./static; may be repeated
    #[arg(long = "static", value_name = "PREFIX=DIRECTORY")]
    pub(crate) statics: Vec<String>,
    /// Address to serve HTTP on, or HTTPS with --tls or --domain [default: 0.0.0.0:$PORT if that is set, or
    /// 127.0.0.1:8080; 0.0.0.0:443 with --domain]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Serve HTTPS on that address, with these PEM files
    #[arg(long, value_name = "CERTIFICATE,KEY", value_parser = parse::tls)]
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    #[command(flatten)]
    pub(crate) https: HttpsArgs,
    /// Address for metrics, health, purges and the live page; "off" for none
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9900")]
    pub(crate) admin: String,
    /// How long a page is cached, if it does not say
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::time)]
    pub(crate) ttl: String,
    /// The largest request body; larger ones get 413
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse::size)]
    pub(crate) max_body: String,
    /// A proxy in front of Weir, whose X-Forwarded-… fields are believed: 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "NETWORK", value_parser = parse::network)]
    pub(crate) trusted_proxy: Vec<String>,
    /// How long the application may take until its reply begins, and for each further part of it
    /// [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    pub(crate) timeout: Option<String>,
    /// Who may send PURGE requests: 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "NETWORK", value_parser = parse::network)]
    pub(crate) purge_allow: Vec<String>,
    /// The buffer-size of the application server of --app (uWSGI's default is 4096)
    #[arg(long, value_name = "SIZE", default_value = "4096", value_parser = parse::size)]
    pub(crate) buffer_size: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Print the settings that these flags stand for, and do nothing
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// HTTPS by itself.
#[derive(Debug, Args)]
pub(crate) struct HttpsArgs {
    /// Serve this name over HTTPS on port 443, with a certificate that comes and renews by itself from Let's
    /// Encrypt; port 80 leads there; may be repeated. You agree to the terms of the authority
    #[arg(long, value_name = "NAME", conflicts_with = "tls")]
    pub(crate) domain: Vec<String>,
    /// Address to serve HTTP on, which leads to HTTPS; for --domain
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:80", requires = "domain")]
    pub(crate) listen_http: String,
    /// Tell browsers to ask for nothing but HTTPS for a year (HSTS); for --domain
    #[arg(long, requires = "domain")]
    pub(crate) hsts: bool,
    /// Another authority, by the URL of its ACME directory; for --domain
    #[arg(long, value_name = "URL", requires = "domain")]
    pub(crate) acme_directory: Option<String>,
    /// Where the authority may write to when something is wrong with a certificate; for --domain
    #[arg(long, value_name = "ADDRESS", requires = "domain")]
    pub(crate) acme_email: Option<String>,
    /// PEM file of who has signed the certificate of a private authority; for --domain
    #[arg(long, value_name = "FILE", requires = "domain")]
    pub(crate) acme_ca: Option<PathBuf>,
    /// Directory for certificates and keys, for --domain [default: acme in $STATE_DIRECTORY; for root
    /// /var/lib/weir/acme; else ~/.local/state/weir/acme]
    #[arg(long, value_name = "DIRECTORY", requires = "domain")]
    pub(crate) acme_state: Option<PathBuf>,
}

/// How the application's own server runs.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The application server [default: the first that is installed and fits]
    #[arg(long, value_name = "NAME", requires = "application")]
    pub(crate) server: Option<ServerKind>,
    /// Its processes [default: one for each core, and at least two]
    #[arg(long, value_name = "NUMBER", env = "WEB_CONCURRENCY", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) workers: Option<u16>,
    /// The threads of each process, for a WSGI application
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) threads: u16,
    /// The Python to use [default: that of the active virtual environment, of the one that weir is installed
    /// in, of ./.venv or ./venv, or python3]
    #[arg(long, value_name = "FILE")]
    pub(crate) python: Option<PathBuf>,
    /// A file with variables for the application, NAME=value in each line; what the environment has already
    /// stays. A reload reads it again
    #[arg(long, value_name = "FILE", requires = "application")]
    pub(crate) env_file: Option<PathBuf>,
    /// The Host of the request by which Weir finds out that the server answers
    #[arg(long, value_name = "NAME", hide = true)]
    pub(crate) host: Option<String>,
    /// Reload the application whenever its code, a template or a compiled translation changes
    #[arg(long, requires = "application")]
    pub(crate) reload: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerKind {
    Uwsgi,
    Gunicorn,
    Granian,
    Uvicorn,
}
