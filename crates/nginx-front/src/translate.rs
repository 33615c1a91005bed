//! The whole file: finds `http`, gives each directive its first verdict, and puts the settings together.

use std::collections::HashMap;

use nginx_conf::{Directive, SyntaxTree};

use crate::ledger::{Ledger, Note};
use crate::logs::LogPlan;
use crate::names;
use crate::pool::Pools;
use crate::program::{self, Program};
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::site::ServerFacts;
use crate::{access, forwarded, limits, listen, log_format, logs, maps, pass_choice, site};

/// What has to be known besides the file.
#[derive(Clone, Debug)]
pub struct Options {
    /// What relative paths begin with, with a slash at the end (`-p`).
    pub prefix: String,
    /// The directory of the file, with a slash at the end: certificates are looked for in it.
    pub conf_prefix: String,
    /// What `$hostname` stands for.
    pub hostname: String,
    /// `--microcache 1s`: as if `weir_microcache` stood in `http`.
    pub microcache: Option<String>,
    /// Whether a place without `root` gets nginx's default, PREFIX/html.
    pub has_default_root: bool,
    /// Whether the process runs as root: without `listen` nginx then takes port 80, otherwise 8000.
    pub is_root: bool,
}

/// Weir's settings, and what became of each directive.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The text of a weir.toml.
    pub toml: String,
    /// A note on each directive, in the order of the files.
    pub notes: Vec<Note>,
    /// What concerns the process, not the settings.
    pub program: Program,
}

/// Everything the parts of a translation need.
pub(crate) struct Translator<'a> {
    pub(crate) options: &'a Options,
    pub(crate) ledger: Ledger<'a>,
    /// Whether the file is what stands in `conf.d`.
    pub(crate) is_fragment: bool,
    /// `upstream` blocks by name.
    pub(crate) upstreams: HashMap<&'a str, &'a Directive>,
    /// Servers that are named without variables, and the directives that name them.
    pub(crate) named_servers: Vec<(&'a str, &'a str)>,
    pub(crate) pools: Pools,
    /// The server whose locations are being read.
    pub(crate) server: ServerFacts,
    /// Maps that fields within `if` need.
    pub(crate) maps: Vec<Table>,
    /// The listeners with TLS: what one server says of an address holds for all that share it.
    pub(crate) tls: Vec<String>,
    /// What `valid_referers` say, each once.
    pub(crate) referers: Vec<Table>,
    /// Whether servers or locations differ in who is believed about the client.
    pub(crate) has_several_real_ips: bool,
    /// Whether proxies in front tell the scheme.
    pub(crate) trusts_proxies: bool,
    /// What the server says, and the locations that blocks within its locations need.
    pub(crate) site: Table,
    pub(crate) unnamed: Vec<Table>,
    /// Whether anything names `$request_body`.
    pub(crate) uses_bodies: bool,
    /// Whether anything names `$request_body_file`.
    pub(crate) names_bodies: bool,
    pub(crate) logs: LogPlan,
    /// Whether the trap of uWSGI's buffer has been said.
    pub(crate) has_told_of_buffer: bool,
    /// The names of all `log_format`.
    pub(crate) log_formats: Vec<&'a str>,
}

/// Whether the file is what stands in `conf.d` or `sites-enabled`: directives of `http` without the block.
pub fn is_fragment(parsed: &SyntaxTree) -> bool {
    const OUTER: [&str; 5] = ["http", "events", "stream", "mail", "worker_processes"];
    const INNER: [&str; 6] = ["server", "upstream", "map", "geo", "log_format", "proxy_cache_path"];
    let has = |names: &[&str]| parsed.directives.iter().any(|directive| names.contains(&directive.name()));
    !has(&OUTER) && has(&INNER)
}

pub fn translate(parsed: &SyntaxTree, options: &Options) -> Translation {
    let mut ledger = Ledger::new(parsed);
    names::settle(&parsed.directives, &mut ledger);
    let blocks: Vec<_> = parsed.directives.iter().filter(|directive| directive.name() == "http").collect();
    let http: &[Directive] = if is_fragment(parsed) {
        &parsed.directives
    } else {
        blocks.first().map(|http| http.children()).unwrap_or_default()
    };
    for second in blocks.iter().skip(1) {
        ledger.not_done(second, "there is an http block already", "put both into one");
    }
    let program = program::read(&parsed.directives, options, &mut ledger);
    let scope = Scope::new(http);
    let upstreams = http.iter().filter(|directive| directive.name() == "upstream");
    let upstreams = upstreams.filter_map(|upstream| Some((upstream.arg(0)?, upstream))).collect();
    let mut translator = Translator {
        options,
        ledger,
        is_fragment: is_fragment(parsed),
        upstreams,
        named_servers: pass_choice::named_servers(http),
        pools: Pools::default(),
        server: ServerFacts::default(),
        maps: Vec::new(),
        tls: Vec::new(),
        referers: Vec::new(),
        has_several_real_ips: forwarded::has_several(&scope),
        trusts_proxies: forwarded::trusts_proxies(http),
        site: Table::default(),
        unnamed: Vec::new(),
        uses_bodies: uses(&parsed.directives, "request_body")
            || uses(&parsed.directives, "request_body_file"),
        names_bodies: uses(&parsed.directives, "request_body_file"),
        logs: LogPlan::new(&scope, program::process_log(&parsed.directives)),
        has_told_of_buffer: false,
        log_formats: log_format::names(&scope),
    };
    let root = translator.root(&scope, &parsed.directives);
    Translation { toml: root.to_toml(), notes: translator.ledger.into_notes(), program }
}

/// Without a `server`, nginx runs and listens nowhere.
fn nobody(edge: &mut Table) {
    let why = "there is no server";
    edge.set("listen", vec!["127.0.0.1:0"], why);
    let mut site = Table::new(None);
    site.set("return", "404", why);
    edge.set("site", Value::Sections(vec![site]), "");
}

/// Whether some text has this variable.
fn uses(directives: &[Directive], name: &str) -> bool {
    directives.iter().any(|directive| {
        directive.texts().any(|text| has_variable(text, name)) || uses(directive.children(), name)
    })
}

fn has_variable(text: &str, name: &str) -> bool {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split('$').skip(1).any(|after| {
        let rest = after.strip_prefix('{').unwrap_or(after).strip_prefix(name);
        rest.is_some_and(|rest| !rest.starts_with(is_of_name))
    })
}

impl<'a> Translator<'a> {
    fn root(&mut self, http: &Scope<'a>, main: &[Directive]) -> Table {
        let servers: Vec<_> = http.own().iter().filter(|directive| directive.name() == "server").collect();
        self.tls = listen::with_tls(&servers, self.options, &mut self.ledger);
        let sites: Vec<Table> = servers.iter().map(|server| site::translate(self, http, server)).collect();
        let mut edge = Table::new(None);
        listen::translate(self, http, &servers, &mut edge);
        limits::translate(self, http, &mut edge);
        self.admin(http, &mut edge);
        edge.set("bare_line_feeds", true, "as nginx takes them");
        edge.set("first_name_counts", true, "as in nginx");
        edge.set("title_names", true, "as nginx writes them");
        let scopes = servers.iter().map(|server| http.inside(server.children()));
        if let Some(directive) = scopes.chain([http.clone()]).find_map(|scope| {
            scope.is_on("underscores_in_headers").then(|| scope.one("underscores_in_headers")).flatten()
        }) {
            edge.from("underscores", true, &self.ledger.origin(directive));
        }
        logs::translate(self, http, &mut edge);
        program::level(main, &mut self.ledger, &mut edge);
        access::zones(self, http, &mut edge);
        maps::translate(self, http, &mut edge);
        if sites.is_empty() {
            nobody(&mut edge);
        } else {
            edge.set("site", Value::Sections(sites), "");
        }
        let mut root = Table::new(None);
        root.set("edge", Value::Section(edge), "");
        if let Some(redis) = http.here("weir_redis")
            && let Some(url) = redis.arg(0)
        {
            let mut node = Table::new(None);
            let mut table = Table::new(None);
            table.set("url", url, "");
            node.from("redis", Value::Inline(table), &self.ledger.origin(redis));
            root.set("cache_node", Value::Section(node), "");
        }
        let pools = std::mem::take(&mut self.pools).into_tables();
        if !pools.is_empty() {
            let mut adapter = Table::new(None);
            adapter.set("pool", Value::Sections(pools), "");
            root.set("wsgi_adapter", Value::Section(adapter), "");
        }
        root
    }

    /// nginx has no admin listener: there is one only if the file asks for it.
    fn admin(&mut self, http: &Scope<'a>, edge: &mut Table) {
        match http.here("weir_admin").and_then(|directive| Some((directive, directive.arg(0)?))) {
            Some((directive, address)) => edge.from("admin", address, &self.ledger.origin(directive)),
            None => edge.set("admin", "off", "weir_admin 127.0.0.1:9900; in http opens it"),
        }
    }

    /// A path as nginx completes it: relative ones begin at the prefix.
    pub(crate) fn path(&self, path: &str) -> String {
        if is_whole(path) { path.to_owned() } else { format!("{}{path}", self.options.prefix) }
    }

    /// Completes the path of a file that nginx looks for beside its own: a certificate, a list of passwords.
    pub(crate) fn conf_path(&self, path: &str) -> String {
        if is_whole(path) { path.to_owned() } else { format!("{}{path}", self.options.conf_prefix) }
    }
}

/// Whether nginx takes a path as it is: what stands in a variable is whole.
fn is_whole(path: &str) -> bool {
    path.starts_with(['/', '$'])
}
