//! Sites and locations as the request path uses them: built once from the settings, replaced as a whole on
//! reload.
//!
//! `server_names` chooses the site and `location` the location, both by nginx's rules and without an
//! allocation.

pub(crate) mod fields;
pub(crate) mod location;
pub(crate) mod logs;
mod server_names;

use std::sync::Arc;

use http_cache::Policy;
use process::settings::Mistakes;
use weir_proto::origin::Priority;

use crate::fields::reply::ReplyFields;
use crate::fields::request::RequestFields;
use crate::files::{FilePlace, FileSettings};
use crate::metrics::{LocationMetrics, Metrics};
use crate::request::path::NormalPath;
use crate::route::fields::{Sets, Variables};
use crate::route::location::Locations;
use crate::route::logs::LogRule;
use crate::route::server_names::ServerNames;
use crate::settings::expires::Expires;
use crate::settings::files::Symlinks;
use crate::settings::pattern::Pattern;
use crate::settings::{Config, ExpiresSetting, LocationConfig, SiteConfig};
use crate::tls::certificate::{Certificate, Certificates};
use http1::head::Authority;

/// All sites, chosen by the request's host.
pub(crate) struct Sites {
    names: ServerNames,
    sites: Vec<Site>,
    pub(crate) certificates: Certificates,
    /// Some site has a certificate of its own.
    several_certificates: bool,
    /// Some location needs the request when its reply is there.
    keeps_requests: bool,
}

pub(crate) struct Site {
    /// The first server_name, for logs, metrics and SERVER_NAME; "_" if the site has none.
    pub(crate) name: Arc<str>,
    pub(crate) root: Arc<str>,
    /// The certificate for clients that name this site in their TLS handshake; `None`: the listener's.
    pub(crate) certificate: Option<Certificate>,
    locations: Locations,
    rules: Vec<Arc<Location>>,
    /// The location that answers if no other matches: the site's own root.
    otherwise: Arc<Location>,
}

/// One location's settings, ready for use.
pub(crate) struct Location {
    pub(crate) site: Arc<str>,
    pub(crate) files: Option<Arc<FileSettings>>,
    pub(crate) expires: Expires,
    pub(crate) access_log: bool,
    pub(crate) log_not_found: bool,
    pub(crate) pool: Option<Arc<str>>,
    pub(crate) priority: Priority,
    /// Request bodies go to the application as they arrive.
    pub(crate) stream_body: bool,
    /// The reply goes to the client at its pace, nothing of it is put aside.
    pub(crate) stream_reply: bool,
    pub(crate) ignore_client_abort: bool,
    /// The name of a set of the pool's variables.
    pub(crate) variables: Arc<str>,
    /// Answers no request from outside.
    pub(crate) internal: bool,
    pub(crate) cache: Option<Arc<Policy>>,
    pub(crate) max_body: u64,
    /// What happens to the fields of replies, and of requests to the application.
    pub(crate) reply_fields: Option<Arc<ReplyFields>>,
    pub(crate) request_fields: Option<Arc<RequestFields>>,
    /// Access logs of one's own.
    pub(crate) logs: Option<Arc<[LogRule]>>,
    /// Variables that get a value when a request gets here.
    pub(crate) sets: Option<Arc<Sets>>,
    pub(crate) metrics: Arc<LocationMetrics>,
}

impl Location {
    /// The fast path knows too little of a request to answer it here.
    pub(crate) fn needs_whole_request(&self) -> bool {
        self.reply_fields.as_ref().is_some_and(|fields| fields.needs_request())
            || self.request_fields.as_ref().is_some_and(|fields| fields.changes_key())
            || self.logs.iter().flat_map(|logs| logs.iter()).any(LogRule::needs_whole_request)
    }
}

/// The place that a request belongs to.
pub(crate) enum Chosen<'a> {
    Location(&'a Site, &'a Arc<Location>),
    /// The path is "/x" and only "/x/" is a location with a pool: redirect, as nginx does.
    AddSlash(&'a Arc<Location>),
}

impl Sites {
    /// All access logs of sites and locations.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &LogRule> {
        self.locations().flat_map(|location| location.logs.iter()).flat_map(|logs| logs.iter())
    }

    fn locations(&self) -> impl Iterator<Item = &Arc<Location>> {
        self.sites.iter().flat_map(|site| site.rules.iter().chain([&site.otherwise]))
    }

    /// Whether variables are computed from requests whose replies are there already.
    pub(crate) fn keeps_requests(&self) -> bool {
        self.keeps_requests
    }

    pub(crate) fn choose(&self, host: &str) -> &Site {
        // `build` made at least one site, and the names index into this list.
        &self.sites[self.names.choose(host)]
    }

    /// The request arrived on a connection that was made for a site with another certificate. HTTP/2 clients
    /// use one connection for all names in a certificate; other names are not served on it (RFC 9110 section
    /// 15.5.20).
    pub(crate) fn misdirected(&self, sni: Option<&str>, host: Option<&Authority<'_>>) -> bool {
        let (true, Some(sni), Some(host)) = (self.several_certificates, sni, host) else { return false };
        match (&self.choose(sni).certificate, &self.choose(host.as_str()).certificate) {
            (Some(shown), Some(wanted)) => !shown.is(wanted),
            (shown, wanted) => shown.is_some() || wanted.is_some(),
        }
    }
}

impl Site {
    pub(crate) fn choose(&self, path: &NormalPath<'_>) -> Chosen<'_> {
        let passes = |location: usize| self.rules[location].pool.is_some();
        let chosen = self.locations.choose(path).map_or(&self.otherwise, |index| &self.rules[index]);
        match self.locations.lacks_slash(path, passes) {
            true => Chosen::AddSlash(chosen),
            false => Chosen::Location(self, chosen),
        }
    }
}

/// Builds all sites and reports every mistake under its path. The result is usable only if there was none.
pub(crate) fn build(config: &Config, metrics: &Metrics, mistakes: &mut Mistakes) -> Option<Sites> {
    let names: Vec<_> = config.site.iter().map(|site| site.server_name.clone()).collect();
    let names = match ServerNames::new(&names) {
        Ok(names) => Some(names),
        Err(wrong) => {
            for (site, name, text) in wrong {
                mistakes.push(format!("edge.site[{site}].server_name[{name}]"), text);
            }
            None
        }
    };
    let mut certificates = Certificates::of_listeners(config, mistakes);
    let variables = Variables::of(config, mistakes);
    let outside = Outside { config, variables: &variables, metrics };
    let sites: Vec<_> = config
        .site
        .iter()
        .enumerate()
        .filter_map(|(index, site)| {
            let path = format!("edge.site[{index}]");
            let certificate = site
                .tls
                .as_ref()
                .and_then(|files| certificates.read(&format!("{path}.tls"), files, mistakes));
            let site = build_site(&path, site, outside, mistakes)?;
            Some(Site { certificate, ..site })
        })
        .collect();
    let several_certificates = sites.iter().any(|site| site.certificate.is_some());
    let whole = sites.len() == config.site.len() && !sites.is_empty();
    let mut sites = whole.then_some(Sites {
        names: names?,
        sites,
        certificates,
        several_certificates,
        keeps_requests: false,
    })?;
    sites.keeps_requests =
        sites.locations().any(|location| location.logs.is_some() || location.needs_whole_request());
    Some(sites)
}

/// What stands around a site.
#[derive(Clone, Copy)]
struct Outside<'a> {
    config: &'a Config,
    variables: &'a Variables,
    metrics: &'a Metrics,
}

fn build_site(
    path: &str,
    config: &SiteConfig,
    outside: Outside<'_>,
    mistakes: &mut Mistakes,
) -> Option<Site> {
    let Outside { config: edge, variables, metrics } = outside;
    let matches: Vec<_> = config.location.iter().map(|location| location.pattern.clone()).collect();
    let locations = match Locations::new(&matches) {
        Ok(locations) => Some(locations),
        Err(wrong) => {
            for (index, text) in wrong {
                mistakes.push(format!("{path}.location[{index}].match"), text);
            }
            None
        }
    };
    let site_path = path;
    let name: Arc<str> = config.server_name.first().map_or("_", String::as_str).into();
    let rules: Vec<_> = config
        .location
        .iter()
        .enumerate()
        .map(|(index, location)| {
            let path = format!("{path}.location[{index}]");
            let built = build_location(&path, &name, config, location, metrics, mistakes);
            let (site, here) = ((site_path, config), (path.as_str(), location));
            Arc::new(Location {
                reply_fields: variables.reply_fields(edge, site, Some(here), mistakes),
                request_fields: variables.request_fields(
                    edge,
                    site,
                    here,
                    (built.cache.as_deref(), mistakes),
                ),
                sets: variables.sets(config, Some(location)),
                logs: logs::of_location(edge, (site_path, config), here, variables, mistakes),
                ..built
            })
        })
        .collect();
    let files = config.root.as_ref().and_then(|root| {
        let index = config.index.clone().unwrap_or_else(default_index);
        files(
            &format!("{path}.root"),
            FilePlace::Root(root.into()),
            index,
            (Symlinks::default(), false),
            mistakes,
        )
    });
    let otherwise = Arc::new(Location {
        site: name.clone(),
        files,
        expires: Expires::Off,
        access_log: config.access_log.unwrap_or(true),
        log_not_found: true,
        pool: None,
        priority: Priority::Normal,
        stream_body: false,
        stream_reply: false,
        ignore_client_abort: false,
        variables: "".into(),
        internal: false,
        cache: None,
        max_body: 1 << 20,
        reply_fields: variables.reply_fields(edge, (site_path, config), None, mistakes),
        request_fields: None,
        sets: variables.sets(config, None),
        logs: logs::of_site(edge, (site_path, config), variables, mistakes),
        metrics: metrics.location(&name, "-"),
    });
    let root = config.root.as_deref().unwrap_or("").into();
    Some(Site { name, root, certificate: None, locations: locations?, rules, otherwise })
}

fn build_location(
    path: &str,
    site_name: &Arc<str>,
    site: &SiteConfig,
    config: &LocationConfig,
    metrics: &Metrics,
    mistakes: &mut Mistakes,
) -> Location {
    if config.root.is_some() && config.alias.is_some() {
        mistakes.push(format!("{path}.alias"), "`root` and `alias` exclude each other; remove one");
    }
    if config.pool.is_some() && config.alias.is_some() {
        mistakes.push(
            format!("{path}.pool"),
            "a location either answers from files (alias) or from a pool; remove one",
        );
    }
    if config.cache.is_some() && config.pool.is_none() {
        mistakes
            .push(format!("{path}.cache"), "there is nothing to cache without a pool; add `pool = \"…\"`");
    }
    let place = match (&config.alias, &config.root, &site.root) {
        (Some(alias), _, _) => {
            match Pattern::parse(&config.pattern).map(|pattern| FilePlace::alias(alias, &pattern)) {
                Ok(Ok(place)) => Some((format!("{path}.alias"), place)),
                Ok(Err(text)) => {
                    mistakes.push(format!("{path}.alias"), text);
                    None
                }
                // Reported already, under `match`.
                Err(_) => None,
            }
        }
        (None, Some(root), _) => Some((format!("{path}.root"), FilePlace::Root(root.into()))),
        (None, None, Some(root)) => Some((path.to_owned(), FilePlace::Root(root.into()))),
        (None, None, None) => None,
    };
    if place.is_none() && config.pool.is_none() && config.alias.is_none() {
        mistakes.push(path, "this location has nothing to answer with; add `pool`, `root` or `alias`");
    }
    let index = config.index.clone().or_else(|| site.index.clone()).unwrap_or_else(default_index);
    let files = match (&config.pool, place) {
        (None, Some((path, place))) => {
            files(&path, place, index, (config.symlinks, config.precompressed), mistakes)
        }
        _ => None,
    };
    Location {
        site: site_name.clone(),
        files,
        expires: config.expires.as_ref().and_then(ExpiresSetting::fixed).unwrap_or(Expires::Off),
        access_log: config.access_log.or(site.access_log).unwrap_or(true),
        log_not_found: config.log_not_found,
        pool: config.pool.as_deref().map(Arc::from),
        priority: config.priority.into(),
        stream_body: !config.request_buffering,
        stream_reply: !config.buffering,
        ignore_client_abort: config.ignore_client_abort,
        variables: config.variables.as_str().into(),
        internal: config.internal,
        cache: config.cache.as_ref().map(|cache| Arc::new(cache.policy(&format!("{path}.cache"), mistakes))),
        max_body: config.max_body.0,
        reply_fields: None,
        request_fields: None,
        sets: None,
        logs: None,
        metrics: metrics.location(site_name, &config.pattern),
    }
}

fn files(
    path: &str,
    place: FilePlace,
    index: Vec<String>,
    (symlinks, precompressed): (Symlinks, bool),
    mistakes: &mut Mistakes,
) -> Option<Arc<FileSettings>> {
    match FileSettings::new(place, index, symlinks, precompressed) {
        Ok(settings) => Some(Arc::new(settings)),
        Err(text) => {
            mistakes.push(path, text);
            None
        }
    }
}

fn default_index() -> Vec<String> {
    vec!["index.html".into()]
}
