//! Makes sites and locations from the settings, and reports every mistake under its path.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http_cache::Policy;
use process::settings::Mistakes;
use weir_proto::origin::Priority;

use crate::access::Access;
use crate::coding::rule::Compress;
use crate::fields::reply_rewrite::ReplyRewrite;
use crate::files::media_type::MediaTypes;
use crate::files::{FilePlace, FileSettings};
use crate::limit::{LocationLimits, Zones};
use crate::metrics::Metrics;
use crate::route::auth_check::AuthCheck;
use crate::route::error_page::ErrorPages;
use crate::route::fields::{PlacesAround, Variables};
use crate::route::location::{LocationNode, Locations};
use crate::route::logs::{LogBuilder, PlaceLogs};
use crate::route::pool_path::PoolPath;
use crate::route::redirects::RedirectForm;
use crate::route::rules::{PlaceRules, Rules};
use crate::route::try_files::TryFiles;
use crate::route::varying_files::{VaryingFiles, VaryingKind, boundary};
use crate::route::{Location, Site, Sites, listeners};
use crate::settings::expires::Expires;
use crate::settings::pattern::Pattern;
use crate::settings::{
    self, AccessSettings, Config, ExpiresSetting, Listen, LocationConfig, PlaceConfig, SiteConfig,
};
use crate::tls::certificate::Certificates;
use crate::variables::Template;

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
        let certificate =
            site.tls.as_ref().and_then(|files| certificates.read(&format!("{path}.tls"), files, mistakes));
        let mut building = Building {
            edge: config,
            site,
            zones: &zones,
            logs: log_builder,
            name: site.server_name.first().map_or("_", String::as_str).into(),
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
    let several_certificates = sites.iter().any(|site| site.certificate.is_some());
    let whole = sites.len() == config.site.len() && !sites.is_empty();
    let keeps = |place: &Arc<Location>| place.needs_whole_request() || place.logs.is_some();
    let keeps_requests = sites.iter().flat_map(Site::all_places).any(keeps);
    let wants_hints = sites.iter().flat_map(Site::all_places).any(|place| place.early_hints.is_some());
    let names = names?;
    whole.then_some(Sites { names, sites, certificates, several_certificates, keeps_requests, wants_hints })
}

/// One site while it is built.
struct Building<'a> {
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

/// What a place takes from those around it.
struct Outer<'a> {
    place: PlaceConfig,
    around: PlacesAround<'a>,
    /// An `alias`, and how much of a path it replaces.
    alias: Option<(Template, usize)>,
    try_files: Option<Vec<Template>>,
    logs: PlaceLogs,
    internal: bool,
    /// A site with rules is never on the fast path.
    is_direct: bool,
    /// Where in the settings a key is that is inherited, so that a mistake in it is reported once.
    at: BTreeMap<&'static str, String>,
}

impl Outer<'_> {
    fn at(&self, path: &str, key: &str) -> String {
        format!("{}.{key}", self.at.get(key).map_or(path, String::as_str))
    }
}

/// Keys in which something may be wrong, and that locations inherit.
const KEYS: [&str; 17] = [
    "error_page",
    "cache",
    "types",
    "default_type",
    "try_files",
    "root",
    "alias",
    "compress",
    "expires",
    "access",
    "auth_basic",
    "auth_request",
    "early_hints",
    "secure_link",
    "reply_rewrite",
    "limit_req",
    "limit_conn",
];

/// Where the files of a place are.
enum FilesAt {
    Root(Template),
    Alias(Template, usize),
    Whole(Template),
}

impl<'a> Building<'a> {
    fn site(&mut self, path: &str, logs: &PlaceLogs) -> Option<Site> {
        let config = self.site;
        let rules = Rules::new(path, &PlaceRules::of_site(config), &self.variables.names, self.mistakes);
        let own_logs = (config.logs.as_deref(), config.access_log);
        let outer = Outer {
            logs: self.logs.of_place(path, own_logs, logs, self.mistakes),
            place: config.place(),
            around: PlacesAround { site: (path.to_owned(), config), locations: Vec::new() },
            alias: None,
            try_files: config.try_files.clone(),
            internal: false,
            is_direct: rules.is_empty(),
            at: BTreeMap::new(),
        };
        let outer = Outer { at: KEYS.into_iter().map(|key| (key, path.to_owned())).collect(), ..outer };
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
        self.check_names(path, &otherwise);
        Some(Site {
            name: self.name.clone(),
            certificate: None,
            sets: self.variables.sets(&config.set),
            definitions: self.variables.definitions.clone(),
            rules,
            locations: locations?,
            places: std::mem::take(&mut self.places),
            named: std::mem::take(&mut self.named),
            otherwise: Arc::new(otherwise),
        })
    }

    /// Builds the locations of one level, and those within them.
    fn locations(
        &mut self,
        path: &str,
        configs: &'a [LocationConfig],
        outer: &Outer<'a>,
    ) -> Vec<LocationNode<'a>> {
        let mut nodes = Vec::with_capacity(configs.len());
        for (index, config) in configs.iter().enumerate() {
            let path = format!("{path}.location[{index}]");
            let own_logs = (config.logs.as_deref(), config.access_log);
            let logs = self.logs.of_place(&path, own_logs, &outer.logs, self.mistakes);
            let inner = Outer { logs, ..self.inner(&path, config, outer) };
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

    /// What holds at a location, and what it hands on to those within it.
    fn inner(&self, path: &str, config: &'a LocationConfig, outer: &Outer<'a>) -> Outer<'a> {
        let own = [
            config.error_page.is_some(),
            config.cache.is_some(),
            config.types.is_some(),
            config.default_type.is_some(),
            config.try_files.is_some(),
            config.root.is_some(),
            config.alias.is_some(),
            config.compress.is_some(),
            config.expires.is_some(),
            config.access.is_some(),
            config.auth_basic.is_some(),
            config.auth_request.is_some(),
            config.early_hints.is_some(),
            config.secure_link.is_some(),
            config.reply_rewrite.is_some(),
            config.limit_req.is_some(),
            config.limit_conn.is_some(),
        ];
        let mut at = outer.at.clone();
        at.extend(KEYS.into_iter().zip(own).filter(|(_, own)| *own).map(|(key, _)| (key, path.to_owned())));
        let literal = Pattern::parse(&config.pattern).ok().and_then(|pattern| pattern.literal_length());
        let alias = match (&config.alias, &config.root) {
            (Some(alias), _) => literal.map(|length| (alias.clone(), length)),
            (None, Some(_)) => None,
            (None, None) => outer.alias.clone(),
        };
        let try_files = match (&config.try_files, config.says_what_answers()) {
            (Some(own), _) => Some(own.clone()),
            (None, true) => None,
            (None, false) => outer.try_files.clone(),
        };
        Outer {
            place: config.within(&outer.place),
            around: outer.around.within(path, config),
            alias,
            try_files,
            logs: None,
            internal: config.internal || outer.internal,
            is_direct: outer.is_direct,
            at,
        }
    }

    fn location(&mut self, path: &str, config: &LocationConfig, inner: &Outer<'_>) -> Location {
        self.check_answer(path, config, inner);
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
            Some(Pattern::Regex(regex)) if regex.captures_len() > 1 => Some(regex),
            _ => None,
        };
        let metrics = self.metrics.location(&self.name, &config.pattern);
        let base = self.place(path, inner, files_at);
        let pool_path = config.pool_path.as_deref().and_then(|setting| {
            PoolPath::build(&format!("{path}.pool_path"), setting, &config.pattern, self.mistakes)
        });
        let is_direct = base.is_direct && rules.is_empty() && pool_path.is_none();
        let sets = self.variables.sets(&config.set);
        Location { internal: inner.internal, pool_path, rules, groups, sets, is_direct, metrics, ..base }
    }

    /// What answers paths that no location matches.
    fn otherwise(&mut self, path: &str, outer: &Outer<'_>) -> Location {
        let files_at = outer.place.root.clone().map(FilesAt::Root);
        self.place(path, outer, files_at)
    }

    /// A location with all that sites can say too.
    fn place(&mut self, path: &str, inner: &Outer<'_>, files_at: Option<FilesAt>) -> Location {
        let place = &inner.place;
        let types = MediaTypes::new(place.types.iter().flatten(), place.default_type.as_deref());
        let types = types.unwrap_or_else(|(extension, text)| {
            let at = match extension {
                Some(extension) => format!("{}.{extension}", inner.at(path, "types")),
                None => inner.at(path, "default_type"),
            };
            self.mistakes.push(at, text);
            MediaTypes::default()
        });
        let document_root = place.root.as_ref().and_then(Template::constant).unwrap_or_default().into();
        let try_files = inner.try_files.as_ref().and_then(|settings| {
            TryFiles::new(&inner.at(path, "try_files"), settings, &self.variables.names, self.mistakes)
        });
        // A pool needs the place of the files too if there is `try_files`.
        let wanted = place.pool.is_none() || try_files.is_some();
        let (files, varying) = self.files(path, inner, files_at.filter(|_| wanted), &types);
        let error_pages = place.error_page.as_ref().map(|pages| {
            ErrorPages::new(&inner.at(path, "error_page"), pages, &self.variables.names, self.mistakes)
        });
        let methods = place.limit_except.iter().flatten().map(|method| method.as_str().into()).collect();
        let cache = place.cache.as_ref().filter(|cache| cache.enabled && place.pool.is_some()).map(|cache| {
            let policy = cache.policy(&inner.at(path, "cache"), self.mistakes);
            Arc::new(Policy { apart: listeners::mark(self.site), ..policy })
        });
        let methods: Vec<Box<str>> = methods;
        let expires_at = inner.at(path, "expires");
        let expires = place.expires.as_ref().map(|setting| (expires_at.as_str(), setting));
        let reply_fields = self.variables.reply_fields(self.edge, &inner.around, expires, self.mistakes);
        let policy = cache.as_deref();
        let request_fields = place
            .pool
            .as_ref()
            .and_then(|_| self.variables.request_fields(self.edge, &inner.around, policy, self.mistakes));
        let rewrite_at = inner.at(path, "reply_rewrite");
        let reply_rewrite = place.reply_rewrite.as_ref().filter(|_| place.pool.is_some());
        let reply_rewrite = reply_rewrite.and_then(|config| {
            ReplyRewrite::build(&rewrite_at, config, self.variables.defined(), self.mistakes)
        });
        let early_hints = place.early_hints.clone().filter(|_| place.pool.is_some());
        if let Some(wanted) = &early_hints {
            wanted.check(&inner.at(path, "early_hints"), &self.variables.names, self.mistakes);
        }
        let secure_link_at = inner.at(path, "secure_link");
        let secure_link = place.secure_link.as_ref();
        let secure_link =
            secure_link.map(|link| link.rule(&secure_link_at, &self.variables.names, self.mistakes));
        let is_direct = inner.is_direct
            && secure_link.is_none()
            && !inner.internal
            && try_files.is_none()
            && varying.is_none()
            && methods.is_empty();
        Location {
            site: self.name.clone(),
            files,
            expires: place.expires.as_ref().and_then(ExpiresSetting::fixed).unwrap_or(Expires::Off),
            access_log: place.access_log.unwrap_or(true),
            log_not_found: place.log_not_found.unwrap_or(true),
            pool: place.pool.as_deref().map(Arc::from),
            pool_path: None,
            timeout: place.timeout.map_or(Duration::ZERO, |time| time.0),
            reply_rewrite,
            early_hints,
            priority: place.priority.map_or(Priority::Normal, Priority::from),
            stream_body: !place.request_buffering.unwrap_or(true),
            stream_reply: !place.buffering.unwrap_or(true),
            ignore_client_abort: place.ignore_client_abort.unwrap_or(false),
            variables: place.variables.as_deref().unwrap_or_default().into(),
            internal: inner.internal,
            cache,
            max_body: place.max_body.map_or(1 << 20, |size| size.0),
            reply_fields,
            request_fields,
            logs: inner.logs.clone(),
            sets: None,
            compress: self.compress(path, inner),
            access: self.access(path, inner),
            secure_link,
            auth_check: AuthCheck::build(
                &inner.at(path, "auth_request"),
                place.auth_request.as_ref(),
                self.variables,
                self.mistakes,
            ),
            limits: self.limits(path, inner),
            limit_rate: (
                place.limit_rate.map_or(0, |size| size.0),
                place.limit_rate_after.map_or(0, |size| size.0),
            ),
            is_direct,
            groups: None,
            rules: Rules::default(),
            methods,
            try_files,
            varying,
            document_root,
            types,
            error_pages: error_pages.unwrap_or_default(),
            intercept_errors: place.intercept_errors.unwrap_or(false),
            redirects: RedirectForm {
                absolute: place.absolute_redirect.unwrap_or(false),
                server_name: place.server_name_in_redirect.unwrap_or(false),
                port: place.port_in_redirect.unwrap_or(true),
            },
            metrics: self.metrics.location(&self.name, "-"),
        }
    }

    fn compress(&mut self, path: &str, inner: &Outer<'_>) -> Option<Arc<Compress>> {
        let own = inner.place.compress.as_ref().map(|own| (inner.at(path, "compress"), own));
        let (path, config) = own.or_else(|| Some(("edge.compress".into(), self.edge.compress.as_ref()?)))?;
        config.rule(&path, self.mistakes).map(Arc::new)
    }

    fn access(&mut self, path: &str, inner: &Outer<'_>) -> Option<Access> {
        let PlaceConfig { access, auth_basic, satisfy, .. } = &inner.place;
        let at = (inner.at(path, "access"), inner.at(path, "auth_basic"));
        let (access, auth_basic) = (access.as_deref().unwrap_or_default(), auth_basic.as_ref());
        let settings = AccessSettings { access, auth_basic, satisfy: satisfy.unwrap_or_default() };
        settings.rules((&at.0, &at.1), self.mistakes)
    }

    fn limits(&mut self, path: &str, inner: &Outer<'_>) -> LocationLimits {
        let PlaceConfig { limit_req, limit_conn, .. } = &inner.place;
        let requests = (inner.at(path, "limit_req"), limit_req.as_deref().unwrap_or_default());
        let connections = (inner.at(path, "limit_conn"), limit_conn.as_deref().unwrap_or_default());
        settings::limits(
            (&requests.0, requests.1),
            (&connections.0, connections.1),
            self.zones,
            self.mistakes,
        )
    }

    fn files(
        &mut self,
        path: &str,
        inner: &Outer<'_>,
        files_at: Option<FilesAt>,
        types: &MediaTypes,
    ) -> (Option<Arc<FileSettings>>, Option<VaryingFiles>) {
        let Some(files_at) = files_at else { return (None, None) };
        let (key, template) = match &files_at {
            FilesAt::Root(root) => ("root", root),
            FilesAt::Alias(alias, _) | FilesAt::Whole(alias) => ("alias", alias),
        };
        let (path, place) = (inner.at(path, key), &inner.place);
        template.check(&path, &self.variables.names, self.mistakes);
        let constant = template.constant();
        let directory = constant.map_or_else(|| boundary(template), Into::into);
        let at = match (&files_at, constant) {
            (FilesAt::Alias(_, literal_length), Some(_)) => {
                FilePlace::Alias { to: directory, literal_length: *literal_length }
            }
            (FilesAt::Whole(_), Some(_)) => FilePlace::Whole(directory),
            _ => FilePlace::Root(directory),
        };
        let index = place.index.clone().unwrap_or_else(|| vec!["index.html".into()]);
        let (symlinks, precompressed) =
            (place.symlinks.unwrap_or_default(), place.precompressed.unwrap_or(false));
        let settings = match FileSettings::new(at, index, symlinks, precompressed) {
            Ok(settings) => {
                let settings = settings.with_charset(place.charset.clone().unwrap_or_default());
                Arc::new(settings.with(place.autoindex.unwrap_or_default(), types.clone()))
            }
            Err(text) => {
                self.mistakes.push(path, text);
                return (None, None);
            }
        };
        if constant.is_some() {
            return (Some(settings), None);
        }
        let kind = match files_at {
            FilesAt::Root(_) => VaryingKind::Root,
            FilesAt::Alias(_, literal_length) => VaryingKind::Alias { literal_length },
            FilesAt::Whole(_) => VaryingKind::Whole,
        };
        let definitions = self.variables.definitions.clone();
        (None, Some(VaryingFiles::new(settings, template.clone(), kind, definitions)))
    }

    /// What a location says of its answer must fit together.
    fn check_answer(&mut self, path: &str, config: &LocationConfig, inner: &Outer<'_>) {
        let mut wrong = |key: &str, text: &str| self.mistakes.push(format!("{path}{key}"), text);
        if config.root.is_some() && config.alias.is_some() {
            wrong(".alias", "`root` and `alias` exclude each other; remove one");
        }
        if config.pool.is_some() && config.alias.is_some() && config.try_files.is_none() {
            wrong(".pool", "a location either answers from files (alias) or from a pool; remove one");
        }
        if config.pool_path.is_some() && inner.place.pool.is_none() {
            wrong(".pool_path", "there is no application here; add `pool = \"…\"`");
        }
        let place = &inner.place;
        let answers = config.r#return.is_some() || !config.rule.is_empty() || !config.rewrite.is_empty();
        if config.cache.as_ref().is_some_and(|cache| cache.enabled) && place.pool.is_none() {
            wrong(".cache", "there is nothing to cache without a pool; add `pool = \"…\"`");
        }
        let nothing =
            place.root.is_none() && place.pool.is_none() && config.alias.is_none() && inner.alias.is_none();
        if nothing && !answers && inner.try_files.is_none() && config.location.is_empty() {
            let text = "this location has nothing to answer with; add `pool`, `root`, `alias` or `return`";
            wrong("", text);
        }
        if config.intercept_errors == Some(true) && place.error_page.is_none() {
            wrong(".intercept_errors", "there is no `error_page` that could answer instead");
        }
    }

    /// Each name that something leads to must be that of a location.
    fn check_names(&mut self, path: &str, otherwise: &Location) {
        let places = self.paths.iter().map(String::as_str).zip(self.places.iter().map(|place| &**place));
        let mut missing = Vec::new();
        for (path, place) in places.chain([(path, otherwise)]) {
            let tried = place.try_files.as_ref().and_then(TryFiles::name).map(|name| ("try_files", name));
            let shown = place.error_pages.names().map(|name| ("error_page", name));
            for (key, name) in tried.into_iter().chain(shown) {
                if !self.named.contains_key(name) {
                    missing.push((format!("{path}.{key}"), name.to_owned()));
                }
            }
        }
        for (path, name) in missing {
            let known: Vec<_> = self.named.keys().map(|name| &**name).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let text = format!("this site has no location `match = \"{name}\"`; named ones: {known}");
            self.mistakes.push(path, text);
        }
    }
}
