//! What must fit together in a site, beyond what a single key may say.

use crate::route::Location;
use crate::route::build::SiteBuilder;
use crate::route::build::outer::OuterPlace;
use crate::route::try_files::TryFiles;
use crate::settings::LocationConfig;

impl SiteBuilder<'_> {
    /// What a location says of its answer must fit together.
    pub(super) fn check_answer(&mut self, path: &str, config: &LocationConfig, inner: &OuterPlace<'_>) {
        let mut wrong = |key: &str, text: &str| self.mistakes.push(format!("{path}{key}"), text);
        if config.root.is_some() && config.alias.is_some() {
            wrong(".alias", "`root` and `alias` exclude each other; remove one");
        }
        // An application may be told of the files.
        let names_files = inner.place.pool_request.is_some();
        if config.pool.is_some() && config.alias.is_some() && config.try_files.is_none() && !names_files {
            wrong(".pool", "a location either answers from files (alias) or from a pool; remove one");
        }
        if config.pool_path.is_some() && inner.place.pool.is_none() {
            wrong(".pool_path", "there is no application here; add `pool = \"…\"`");
        }
        let place = &inner.place;
        let acts = config.r#return.is_some() || !config.rule.is_empty() || !config.rewrite.is_empty();
        let answers = acts || config.stub_status;
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
    pub(super) fn check_names(&mut self, path: &str, otherwise: &Location) {
        let places = self.paths.iter().map(String::as_str).zip(self.places.iter().map(|place| &**place));
        let mut missing = Vec::new();
        for (path, place) in places.chain([(path, otherwise)]) {
            let tried = place.try_files.as_ref().and_then(TryFiles::name).map(|name| ("try_files", name));
            let shown = place.error_pages.names().map(|name| ("error_page", name));
            let led = place.rules.names().map(|name| ("rule", name));
            for (key, name) in tried.into_iter().chain(shown).chain(led) {
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
