//! Makes sites and locations from the settings, and reports every mistake under its path.

mod asking;
mod checks;
mod files;
mod guards;
mod outer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http_cache::Policy;
use process::settings::Mistakes;
use process::units::Size;
use weir_proto::origin::Priority;

use crate::coding::rule::Compress;
use crate::fields::reply::ReplyFields;
use crate::fields::request::RequestFields;
use crate::files::media_type::MediaTypes;
use crate::limit::Zones;
use crate::metrics::Metrics;
use crate::route::build::files::FilesAt;
use crate::route::build::outer::OuterPlace;
use crate::route::error_logs::ErrorLogRule;
use crate::route::error_page::ErrorPages;
use crate::route::fields::Variables;
use crate::route::location::{LocationNode, Locations};
use crate::route::logs::{LogBuilder, PlaceLogs};
use crate::route::pool_path::PoolPath;
use crate::route::redirects::RedirectForm;
use crate::route::rules::{PlaceRules, Rules};
use crate::route::try_files::TryFiles;
use crate::route::{Location, RealIp, Site, SiteCertificate, Sites, error_logs, listeners};
use crate::settings::expires::Expires;
use crate::settings::pattern::Pattern;
use crate::settings::{
    self, BodyFiles, Config, ExpiresSetting, Listen, LocationConfig, PlaceConfig, SiteConfig,
};
use crate::tls::certificates::Certificates;
use crate::variables::expression::{self, Expression};

/// Builds all sites. The result is usable only if there was no mistake. `listeners` are those that serve, or
/// will.
pub(crate) fn build(
    config: &Config,
    listeners: &[Listen],
    metrics: &Metrics,
    mistakes: &mut Mistakes,
) -> Option<Sites> {
    let names = listeners::names(config, listeners, mistakes);
    let mut certificates = Certificates::of_listeners(config, mistakes);
    let variables = Variables::of(config, mistakes);
    let log_builder = LogBuilder { config, variables: &variables };
    log_builder.check_formats(mistakes);
    let logs = log_builder.of_place("edge", (Some(&config.logs), None), &None, mistakes);
    let zones = settings::zones(&config.limit_zones, &variables.names, mistakes);
    let mut sites = Vec::with_capacity(config.site.len());
    for (index, site) in config.site.iter().enumerate() {
        let path = format!("edge.site[{index}]");
        let certificate = site.tls.as_ref().and_then(|setting| match setting.files() {
            Some(files) => {
                certificates.read(&format!("{path}.tls"), files, mistakes).map(SiteCertificate::Files)
            }
            None if setting.is_auto() => Some(SiteCertificate::Auto),
            None => Some(SiteCertificate::Rejected),
        });
        let mut building = SiteBuilder {
            edge: config,
            site,
            zones: &zones,
            logs: log_builder,
            name: site.server_name.iter().find(|name| !name.is_empty()).map_or("_", String::as_str).into(),
            metrics,
            variables: &variables,
            mistakes: &mut *mistakes,
            places: Vec::new(),
            paths: Vec::new(),
            named: HashMap::new(),
        };
        let built = building.site(&path, &logs);
        sites.extend(built.map(|site| Site { certificate, ..site }));
    }
    let auto: Vec<bool> = listeners.iter().map(Listen::is_auto).collect();
    let several_certificates = auto.contains(&true) || sites.iter().any(|site| site.certificate.is_some());
    let whole = sites.len() == config.site.len() && !sites.is_empty();
    let keeps = |place: &Arc<Location>| {
        let has_logs = place.logs.is_some() || place.real_ip.is_some() && place.access_log;
        place.needs_whole_request() || has_logs || place.rates.is_some()
    };
    let keeps_requests = sites.iter().flat_map(Site::all_places).any(keeps);
    let keeps_bodies = sites
        .iter()
        .flat_map(Site::all_places)
        .any(|place| place.body_buffer > 0 || place.body_file != BodyFiles::Off);
    let compresses = sites.iter().flat_map(Site::all_places).any(|place| place.compress.is_some());
    let wants_hints = sites.iter().flat_map(Site::all_places).any(|place| place.early_hints.is_some());
    let has_error_logs = sites.iter().flat_map(Site::all_places).any(|place| place.error_logs.is_some());
    let unknown = sites.first().map(Site::unknown)?;
    whole.then_some(Sites {
        names: names?,
        sites,
        unknown,
        certificates,
        auto,
        several_certificates,
        keeps_requests,
        keeps_bodies,
        compresses,
        wants_hints,
        has_error_logs,
    })
}

/// One site while it is built.
struct SiteBuilder<'a> {
    edge: &'a Config,
    site: &'a SiteConfig,
    zones: &'a Zones,
    logs: LogBuilder<'a>,
    name: Arc<str>,
    metrics: &'a Metrics,
    variables: &'a Variables,
    mistakes: &'a mut Mistakes,
    places: Vec<Arc<Location>>,
    /// The path of each place in the settings.
    paths: Vec<String>,
    named: HashMap<Box<str>, usize>,
}

impl<'a> SiteBuilder<'a> {
    fn site(&mut self, path: &str, logs: &PlaceLogs) -> Option<Site> {
        let config = self.site;
        let rules = Rules::new(path, &PlaceRules::of_site(config), &self.variables.names, self.mistakes);
        let own_logs = (config.logs.as_deref(), config.access_log);
        let logs = self.logs.of_place(path, own_logs, logs, self.mistakes);
        let outer = OuterPlace::of_site(path, config, logs, rules.is_empty());
        let nodes = self.locations(path, &config.location, &outer);
        let locations = match Locations::new(&nodes) {
            Ok(locations) => Some(locations),
            Err(wrong) => {
                for (index, text) in wrong {
                    let place = self.paths.get(index).map_or(path, String::as_str).to_owned();
                    self.mistakes.push(format!("{place}.match"), text);
                }
                None
            }
        };
        let otherwise = self.otherwise(path, &outer);
        self.check_names(path, &rules, &otherwise);
        let unknown = self.unknown(path, &outer);
        Some(Site {
            name: self.name.clone(),
            certificate: None,
            sets: self.variables.sets(&config.set),
            host_groups: host_groups(&config.server_name),
            definitions: self.variables.definitions.clone(),
            rules,
            locations: locations?,
            places: std::mem::take(&mut self.places),
            named: std::mem::take(&mut self.named),
            otherwise: Arc::new(otherwise),
            unknown: Arc::new(unknown),
        })
    }

    /// Builds the locations of one level, and those within them.
    fn locations(
        &mut self,
        path: &str,
        configs: &'a [LocationConfig],
        outer: &OuterPlace<'a>,
    ) -> Vec<LocationNode<'a>> {
        let mut nodes = Vec::with_capacity(configs.len());
        for (index, config) in configs.iter().enumerate() {
            let path = format!("{path}.location[{index}]");
            let own_logs = (config.logs.as_deref(), config.access_log);
            let logs = self.logs.of_place(&path, own_logs, &outer.logs, self.mistakes);
            let inner = outer.within(&path, config, logs);
            let place = self.location(&path, config, &inner);
            let at = self.places.len();
            if let Ok(Pattern::Named(name)) = Pattern::parse(&config.pattern)
                && self.named.insert(name, at).is_some()
            {
                self.mistakes.push(format!("{path}.match"), "an earlier location has this name");
            }
            self.places.push(Arc::new(place));
            self.paths.push(path.clone());
            let within = self.locations(&path, &config.location, &inner);
            nodes.push(LocationNode { pattern: &config.pattern, index: at, within });
        }
        nodes
    }

    fn location(&mut self, path: &str, config: &LocationConfig, inner: &OuterPlace<'_>) -> Location {
        self.check_answer(path, config, inner);
        self.check_place(path, inner);
        let pattern = Pattern::parse(&config.pattern).ok();
        let rules = Rules::new(path, &PlaceRules::of(config), &self.variables.names, self.mistakes);
        let files_at = match (&config.alias, &pattern, &inner.alias, &inner.place.root) {
            (Some(alias), Some(Pattern::Regex(_)), ..) => Some(FilesAt::Whole(alias.clone())),
            (_, _, Some((alias, length)), _) => Some(FilesAt::Alias(alias.clone(), *length)),
            (_, _, None, Some(root)) => Some(FilesAt::Root(root.clone())),
            (_, _, None, None) => None,
        };
        if let (Some(_), Some(Pattern::Named(_))) = (&config.alias, &pattern) {
            let text = "a named location has no path that `alias` could replace; use `root`";
            self.mistakes.push(format!("{path}.alias"), text);
        }
        if matches!(files_at, Some(FilesAt::Whole(_))) && inner.try_files.is_some() {
            let text = "cannot be used with the `alias` of a regex; use `root`";
            self.mistakes.push(format!("{path}.try_files"), text);
        }
        let groups = match pattern {
            Some(Pattern::Regex(regex)) if regex.has_groups() => Some(regex),
            _ => None,
        };
        let metrics = self.metrics.location(&self.name, &config.pattern);
        let base = self.place(path, inner, files_at);
        let pool_path = config.pool_path.as_deref().and_then(|setting| {
            PoolPath::build(&format!("{path}.pool_path"), setting, &config.pattern, self.mistakes)
        });
        let stub_status = config.stub_status;
        let is_direct = base.is_direct && rules.is_empty() && !stub_status;
        let sets = self.variables.sets(&config.set);
        Location {
            stub_status,
            internal: inner.internal,
            pool_path,
            rules,
            groups,
            sets,
            is_direct,
            metrics,
            ..base
        }
    }

    /// What answers paths that no location matches.
    fn otherwise(&mut self, path: &str, outer: &OuterPlace<'_>) -> Location {
        self.check_place(path, outer);
        let files_at = outer.place.root.clone().map(FilesAt::Root);
        self.place(path, outer, files_at)
    }

    /// What answers paths whose location cannot be known.
    fn unknown(&mut self, path: &str, outer: &OuterPlace<'_>) -> Location {
        let base = self.place(path, outer, None);
        Location { rules: Rules::failing(), is_direct: false, ..base }
    }

    /// A location with all that sites can say too.
    fn place(&mut self, path: &str, inner: &OuterPlace<'_>, files_at: Option<FilesAt>) -> Location {
        let place = &inner.place;
        let types = self.types(path, inner).with_charset(inner.place.charset.clone().unwrap_or_default());
        let document_root = self.document_root(path, inner, files_at.as_ref());
        let try_files = self.try_files(path, inner);
        // A pool needs the place of the files too if there is `try_files`.
        let wanted = place.pool.is_none() || try_files.is_some();
        let (files, varying) = self.files(path, inner, files_at.filter(|_| wanted), &types);
        let cache = self.cache(path, inner);
        let reply_fields = self.reply_fields(path, inner);
        let request_fields = self.request_fields(inner, cache.as_deref());
        let secure_link = self.secure_link(path, inner);
        let is_apart = secure_link.is_some() || try_files.is_some() || varying.is_some();
        Location {
            site: self.name.clone(),
            files,
            expires: place.expires.as_ref().and_then(ExpiresSetting::fixed).unwrap_or(Expires::Off),
            access_log: place.access_log.unwrap_or(true),
            log_not_found: place.log_not_found.unwrap_or(true),
            nosniff: place.nosniff.unwrap_or(true),
            pool: place.pool.as_deref().map(Arc::from),
            pool_choice: self.pool_choice(path, inner),
            pool_path: None,
            timeout: place.timeout.map_or(Duration::ZERO, |time| time.0),
            reply_rewrite: self.reply_rewrite(path, inner),
            changes: self.changes(path, inner),
            pool_request: self.pool_request(path, inner),
            told: self.told(path, inner),
            early_hints: self.early_hints(path, inner),
            priority: place.priority.map_or(Priority::Normal, Priority::from),
            stream_body: !place.request_buffering.unwrap_or(true),
            stream_reply: !place.buffering.unwrap_or(true),
            ignore_client_abort: place.ignore_client_abort.unwrap_or(false),
            variables: place.variables.as_deref().unwrap_or_default().into(),
            real_ip: real_ip(place).map(Box::new),
            definitions: self.variables.definitions.clone(),
            stub_status: false,
            internal: inner.internal,
            cache_conditions: self.cache_conditions(path, inner, request_fields.as_deref(), &document_root),
            cache,
            max_body: place.max_body.map_or(1 << 20, |size| size.0),
            body_buffer: place.body_buffer.map_or(0, |size| size.0),
            body_file: place.body_file.unwrap_or_default(),
            reply_fields,
            request_fields,
            logs: inner.logs.clone(),
            error_logs: self.error_logs(path, inner),
            sets: None,
            compress: self.compress(path, inner),
            access: self.access(path, inner),
            secure_link,
            auth_delay: place.auth_delay.map_or(Duration::ZERO, |time| time.0),
            auth_check: self.auth_check(path, inner),
            limits: self.limits(path, inner),
            max_ranges: place.max_ranges,
            limit_rate: limit_rate(place),
            rates: self.rates(path, inner),
            is_direct: is_direct(inner) && !is_apart,
            groups: None,
            rules: Rules::default(),
            methods: methods(place),
            try_files,
            index: self.index(path, inner),
            varying,
            document_root: document_root.into(),
            types,
            error_pages: self.error_pages(path, inner),
            intercept_errors: place.intercept_errors.unwrap_or(false),
            recursive_errors: place.recursive_error_pages.unwrap_or(false),
            redirects: redirects(place),
            metrics: self.metrics.location(&self.name, "-"),
        }
    }

    fn try_files(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<TryFiles> {
        let settings = inner.try_files.as_ref()?;
        TryFiles::new(&inner.at(path, "try_files"), settings, &self.variables.names, self.mistakes)
    }

    fn cache(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<Policy>> {
        let place = &inner.place;
        let cache = place.cache.as_ref().filter(|cache| cache.enabled && place.pool.is_some())?;
        let policy = cache.policy(&inner.at(path, "cache"), self.mistakes);
        Some(Arc::new(Policy { apart: listeners::mark(self.site), ..policy }))
    }

    fn reply_fields(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<ReplyFields>> {
        let at = inner.at(path, "expires");
        let expires = inner.place.expires.as_ref().map(|setting| (at.as_str(), setting));
        self.variables.reply_fields(self.edge, &inner.around, expires, self.mistakes)
    }

    fn request_fields(
        &mut self,
        inner: &OuterPlace<'_>,
        policy: Option<&Policy>,
    ) -> Option<Arc<RequestFields>> {
        inner.place.pool.as_ref()?;
        self.variables.request_fields(self.edge, &inner.around, policy, self.mistakes)
    }

    fn types(&mut self, path: &str, inner: &OuterPlace<'_>) -> MediaTypes {
        let PlaceConfig { types, default_type, .. } = &inner.place;
        MediaTypes::new(types.iter().flatten(), default_type.as_deref()).unwrap_or_else(
            |(extension, text)| {
                let at = match extension {
                    Some(extension) => format!("{}.{extension}", inner.at(path, "types")),
                    None => inner.at(path, "default_type"),
                };
                self.mistakes.push(at, text);
                MediaTypes::default()
            },
        )
    }

    fn error_pages(&mut self, path: &str, inner: &OuterPlace<'_>) -> ErrorPages {
        let pages = inner.place.error_page.as_ref().map(|pages| {
            ErrorPages::new(&inner.at(path, "error_page"), pages, &self.variables.names, self.mistakes)
        });
        pages.unwrap_or_default()
    }

    fn compress(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<Compress>> {
        let own = inner.place.compress.as_ref().map(|own| (inner.at(path, "compress"), own));
        let (path, config) = own.or_else(|| Some(("edge.compress".into(), self.edge.compress.as_ref()?)))?;
        config.rule(&path, self.mistakes).map(Arc::new)
    }

    fn error_logs(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<[ErrorLogRule]>> {
        error_logs::build(&inner.at(path, "error_log"), inner.place.error_log.as_deref(), self.mistakes)
    }
}

/// Whether nothing that is inherited keeps the fast path from answering here.
fn is_direct(inner: &OuterPlace<'_>) -> bool {
    let place = &inner.place;
    inner.is_direct
        && !inner.internal
        && real_ip(place).is_none()
        && place.max_ranges.is_none()
        && place.limit_except.as_ref().is_none_or(Vec::is_empty)
}

/// Who is believed about the client, where a place says so.
fn real_ip(place: &PlaceConfig) -> Option<RealIp> {
    let own = RealIp {
        proxies: place.trusted_proxies.as_ref().map(|networks| networks.0.clone()),
        field: place.real_ip_header.clone(),
        recursive: place.real_ip_recursive,
    };
    (own.proxies.is_some() || own.field.is_some() || own.recursive.is_some()).then_some(own)
}

/// The regular expressions of names that capture something; `server_names` has said what is wrong with them.
fn host_groups(names: &[String]) -> Vec<Expression> {
    let patterns = names.iter().filter_map(|name| name.strip_prefix('~'));
    let built = patterns.filter_map(|pattern| {
        let has_capital = pattern.bytes().any(|byte| byte.is_ascii_uppercase());
        expression::build(pattern, has_capital).ok()
    });
    built.filter(Expression::has_groups).collect()
}

/// The only methods that are answered.
fn methods(place: &PlaceConfig) -> Vec<Box<str>> {
    place.limit_except.iter().flatten().map(|method| method.as_str().into()).collect()
}

/// Bytes in a second, and how many come before that.
fn limit_rate(place: &PlaceConfig) -> (u64, u64) {
    let bytes = |size: Option<Size>| size.map_or(0, |size| size.0);
    (bytes(place.limit_rate), bytes(place.limit_rate_after))
}

fn redirects(place: &PlaceConfig) -> RedirectForm {
    RedirectForm {
        absolute: place.absolute_redirect.unwrap_or(false),
        server_name: place.server_name_in_redirect.unwrap_or(false),
        port: place.port_in_redirect.unwrap_or(true),
    }
}
