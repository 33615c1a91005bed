//! What the settings of edge, site and location say together about fields and variables.

use std::sync::Arc;

use http_cache::{FieldClass, Policy};
use process::settings::Mistakes;

use crate::access::secure_link::VARIABLES;
use crate::fields::reply::{ReplyFields, ReplyLevel, VariableScope};
use crate::fields::request::{RequestFields, RequestLevel};
use crate::route::rules::{self, PlaceRules};
use crate::settings::pattern::Pattern;
use crate::settings::{AuthRequestConfig, Config, ExpiresSetting, InheritFields, LocationConfig, SiteConfig};
use crate::variables::expression;
use crate::variables::{DefinitionConfigs, Definitions, Facts, Needs, Template, Values, VariableNames};

/// The variables of these settings.
pub(super) struct Variables {
    pub(super) names: VariableNames,
    pub(super) definitions: Arc<Definitions>,
}

impl Variables {
    /// Collects all that the settings define, so that each may be used everywhere, as in nginx.
    pub(super) fn of(config: &Config, mistakes: &mut Mistakes) -> Self {
        let mut names = VariableNames::default();
        let configs = DefinitionConfigs { maps: &config.map, geos: &config.geo, splits: &config.split };
        let definitions = Definitions::build(&configs, &mut names, mistakes);
        let mut sets = Vec::new();
        for (at, site) in config.site.iter().enumerate() {
            let path = format!("edge.site[{at}]");
            names_in_host_names(site, &mut names);
            rules::define(&path, &PlaceRules::of_site(site), &mut names, mistakes);
            define_link(site.secure_link.is_some(), &mut names);
            define_checked(site.auth_request.as_ref(), &format!("{path}.auth_request"), &mut names, mistakes);
            sets.extend(site.set.iter().enumerate().map(|(set, pair)| (format!("{path}.set[{set}]"), pair)));
            define_within(&path, &site.location, &mut names, &mut sets, mistakes);
        }
        for (path, (name, _)) in &sets {
            if let Err(text) = names.define(name, Needs::WHOLE) {
                mistakes.push(path, text);
            }
        }
        for (path, (name, value)) in &sets {
            value.check(path, &names, mistakes);
            let needs = value.needs(&names);
            names.depends(bare(name), needs);
        }
        definitions.check(&mut names, mistakes);
        Self { names, definitions: Arc::new(definitions) }
    }

    pub(super) fn defined(&self) -> VariableScope<'_> {
        VariableScope { names: &self.names, definitions: &self.definitions }
    }

    /// `around`: the site, and the locations from the outermost to the one in question.
    pub(super) fn reply_fields(
        &self,
        config: &Config,
        around: &PlaceChain<'_>,
        expires: Option<(&str, &ExpiresSetting)>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<ReplyFields>> {
        let mut levels = vec![
            ReplyLevel {
                path: "edge".into(),
                fields: &config.reply_fields,
                inherit: InheritFields::Merge,
                cors: None,
                security: config.security,
            },
            ReplyLevel {
                path: around.site.0.clone(),
                fields: &around.site.1.reply_fields,
                inherit: around.site.1.inherit_fields,
                cors: around.site.1.cors.as_ref(),
                security: around.site.1.security,
            },
        ];
        levels.extend(around.locations.iter().map(|(path, config)| ReplyLevel {
            path: path.clone(),
            fields: &config.reply_fields,
            inherit: config.inherit_fields,
            cors: config.cors.as_ref(),
            security: config.security,
        }));
        ReplyFields::build(&levels, expires, self.defined(), mistakes)
    }

    pub(super) fn request_fields(
        &self,
        config: &Config,
        around: &PlaceChain<'_>,
        policy: Option<&Policy>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<RequestFields>> {
        let level = |path: &str, fields, inherit| RequestLevel { path: path.to_owned(), fields, inherit };
        let (path, site) = &around.site;
        let mut levels = vec![
            level("edge", &config.request_fields[..], InheritFields::Merge),
            level(path, &site.request_fields, site.inherit_fields),
        ];
        let locations = around.locations.iter();
        levels.extend(
            locations.map(|(path, config)| level(path, &config.request_fields, config.inherit_fields)),
        );
        let class = |name: &http::HeaderName| match policy {
            Some(policy) if policy.fields.counts(name) => policy.fields.class(name.as_str().as_bytes()),
            _ => FieldClass::Ignore,
        };
        RequestFields::build(&levels, class, self.defined(), mistakes)
    }

    /// The values that a place sets, in this order.
    pub(super) fn sets(&self, set: &[(String, Template)]) -> Option<Arc<VariableSets>> {
        let pairs: Vec<_> = set.iter().map(|(name, value)| (bare(name).into(), value.clone())).collect();
        (!pairs.is_empty()).then(|| Arc::new(VariableSets { pairs, definitions: self.definitions.clone() }))
    }
}

/// A place, and those that it stands in, each with its path in the settings.
#[derive(Clone)]
pub(super) struct PlaceChain<'a> {
    pub(super) site: (String, &'a SiteConfig),
    pub(super) locations: Vec<(String, &'a LocationConfig)>,
}

impl<'a> PlaceChain<'a> {
    pub(super) fn within(&self, path: &str, location: &'a LocationConfig) -> Self {
        let mut around = self.clone();
        around.locations.push((path.to_owned(), location));
        around
    }
}

/// What `set` does when a request reaches a location.
#[derive(Debug)]
pub(crate) struct VariableSets {
    pairs: Vec<(Box<str>, Template)>,
    definitions: Arc<Definitions>,
}

impl VariableSets {
    /// Sets the values; each sees those before it.
    pub(crate) fn apply(&self, facts: &Facts<'_>) -> Values {
        let mut values = facts.values.clone();
        for (name, template) in &self.pairs {
            let mut facts = Facts { values: &values, ..*facts };
            facts.route.definitions = Some(&*self.definitions);
            let value = template.value(&facts).into_owned();
            values.set(name, value);
        }
        values
    }
}

fn bare(name: &str) -> &str {
    name.strip_prefix('$').unwrap_or(name)
}

/// A `set`, with its path in the settings.
type SetEntry<'a> = (String, &'a (String, Template));

/// What locations define, and those within them.
fn define_within<'a>(
    path: &str,
    locations: &'a [LocationConfig],
    names: &mut VariableNames,
    sets: &mut Vec<SetEntry<'a>>,
    mistakes: &mut Mistakes,
) {
    for (at, location) in locations.iter().enumerate() {
        let path = format!("{path}.location[{at}]");
        if let Ok(Pattern::Regex(regex)) = Pattern::parse(&location.pattern) {
            define_captures(regex.names(), names);
        }
        rules::define(&path, &PlaceRules::of(location), names, mistakes);
        define_link(location.secure_link.is_some(), names);
        define_checked(location.auth_request.as_ref(), &format!("{path}.auth_request"), names, mistakes);
        let here = location.set.iter().enumerate();
        sets.extend(here.map(|(set, pair)| (format!("{path}.set[{set}]"), pair)));
        define_within(&path, &location.location, names, sets, mistakes);
    }
}

/// What `secure_link` says of a request.
fn define_link(is_used: bool, names: &mut VariableNames) {
    for name in VARIABLES.iter().filter(|_| is_used) {
        let _ = names.define(name, Needs::VISITOR.and(Needs::WHOLE));
    }
}

/// What the page of `auth_request` says of a visitor.
fn define_checked(
    config: Option<&AuthRequestConfig>,
    at: &str,
    names: &mut VariableNames,
    mistakes: &mut Mistakes,
) {
    let table = config.and_then(AuthRequestConfig::table);
    for (index, (name, _)) in table.iter().flat_map(|table| &table.set).enumerate() {
        if let Err(text) = names.define(name, Needs::VISITOR.and(Needs::WHOLE)) {
            mistakes.push(format!("{at}.set[{index}]"), text);
        }
    }
}

/// Named captures are variables.
fn define_captures<'a>(groups: impl Iterator<Item = &'a str>, names: &mut VariableNames) {
    for name in groups {
        // A name that Weir has itself keeps its meaning.
        let _ = names.define(name, Needs::URL.and(Needs::WHOLE));
    }
}

fn names_in_host_names(site: &SiteConfig, names: &mut VariableNames) {
    for pattern in site.server_name.iter().filter_map(|name| name.strip_prefix('~')) {
        if let Ok(regex) = expression::compile(pattern, false) {
            define_captures(regex.names(), names);
        }
    }
}
