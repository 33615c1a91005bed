//! Makes sites and locations from the settings, and reports every mistake under its path.

mod asking;
mod checks;
mod files;
mod guards;
mod outer;
mod place;

use std::collections::HashMap;
use std::sync::Arc;

use process::settings::Mistakes;

use crate::limit::Zones;
use crate::metrics::Metrics;
use crate::route::build::files::FilesAt;
use crate::route::build::outer::OuterPlace;
use crate::route::fields::Variables;
use crate::route::location::{LocationNode, Locations};
use crate::route::logs::{LogBuilder, PlaceLogs};
use crate::route::pool_path::PoolPath;
use crate::route::rules::{PlaceRules, Rules};
use crate::route::{Location, Site, SiteCertificate, Sites, listeners};
use crate::settings::pattern::Pattern;
use crate::settings::{self, BodyFiles, Config, Listen, LocationConfig, SiteConfig};
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
