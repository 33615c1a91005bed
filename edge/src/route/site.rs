//! One site: which of its locations a path belongs to, and those that have a name.

use std::collections::HashMap;
use std::sync::Arc;

use http_cache::Policy;

use crate::request::path::NormalPath;
use crate::route::location::Locations;
use crate::route::rules::Rules;
use crate::route::{Location, RouteMatch, Site};
use crate::variables::expression::EndlessSearch;

impl Site {
    /// A site with nothing but an answer to hosts whose site cannot be known; logs are those of this site.
    pub(super) fn unknown(&self) -> Self {
        Self {
            name: self.name.clone(),
            certificate: None,
            sets: None,
            definitions: self.definitions.clone(),
            host_groups: Vec::new(),
            rules: Rules::failing(),
            locations: Locations::default(),
            places: Vec::new(),
            named: HashMap::new(),
            otherwise: self.unknown.clone(),
            unknown: self.unknown.clone(),
        }
    }

    /// The location "@name".
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Location>> {
        self.named.get(name).and_then(|index| self.places.get(*index))
    }

    /// The caches of places that rules may send a request to, whatever its path is.
    pub(crate) fn caches_by_rule(&self) -> impl Iterator<Item = &Arc<Policy>> {
        let has_rules = |place: &Arc<Location>| !place.rules.is_empty() || place.try_files.is_some();
        let anywhere = !self.rules.is_empty() || self.all_places().any(has_rules);
        let named = |index: usize| self.named.values().any(|known| *known == index);
        let places = self.places.iter().enumerate();
        let led_to = places.filter(move |(index, place)| anywhere || place.internal || named(*index));
        led_to.filter_map(|(_, place)| place.cache.as_ref())
    }

    /// All that may answer a request.
    pub(super) fn all_places(&self) -> impl Iterator<Item = &Arc<Location>> {
        self.places.iter().chain([&self.otherwise])
    }

    /// What answers paths that no location matches.
    pub(crate) fn otherwise(&self) -> &Arc<Location> {
        &self.otherwise
    }

    pub(crate) fn choose(&self, path: &NormalPath<'_>) -> RouteMatch<'_> {
        let passes = |location: usize| self.places[location].pool.is_some();
        if let Some(index) = self.locations.lacks_slash(path, passes) {
            return RouteMatch::AddSlash(&self.places[index]);
        }
        match self.locations.choose(path) {
            Ok(chosen) => {
                RouteMatch::Location(self, chosen.map_or(&self.otherwise, |index| &self.places[index]))
            }
            Err(EndlessSearch) => RouteMatch::Location(self, &self.unknown),
        }
    }
}
