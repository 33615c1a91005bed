//! The flags of `weir serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::serve::parse;

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
