//! What must fit together in a site, beyond what a single key may say.

use http::Method;

use crate::route::Location;
use crate::route::build::SiteBuilder;
use crate::route::build::outer::OuterPlace;
use crate::route::rules::Rules;
use crate::route::try_files::TryFiles;
use crate::settings::{LocationConfig, NO_TIME};

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

    /// What a place says must be something that can come.
    pub(super) fn check_place(&mut self, path: &str, inner: &OuterPlace<'_>) {
        for (index, name) in inner.place.limit_except.iter().flatten().enumerate() {
            let is_method = Method::from_bytes(name.as_bytes()).is_ok();
            if !is_method || name.bytes().any(|byte| byte.is_ascii_lowercase()) {
                let at = format!("{}[{index}]", inner.at(path, "limit_except"));
                self.mistakes
                    .push(at, format!("`{name}` is no method; methods are in capitals, such as \"GET\""));
            }
        }
        if inner.place.timeout.is_some_and(|time| time.0.is_zero()) {
            self.mistakes.push(inner.at(path, "timeout"), NO_TIME);
        }
        let all = &self.edge.trusted_proxies;
        for network in inner.place.trusted_proxies.iter().flat_map(|networks| &networks.0) {
            if !all.iter().any(|known| known.contains(network)) {
                let text =
                    format!("`edge.trusted_proxies` does not hold {network}, so nothing that it says counts");
                self.mistakes.push(inner.at(path, "trusted_proxies"), text);
            }
        }
    }

    /// Each name that something leads to must be that of a location.
    pub(super) fn check_names(&mut self, path: &str, rules: &Rules, otherwise: &Location) {
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
        missing.extend(
            rules
                .names()
                .filter(|name| !self.named.contains_key(*name))
                .map(|name| (format!("{path}.rule"), name.to_owned())),
        );
        for (path, name) in missing {
            let known: Vec<_> = self.named.keys().map(|name| &**name).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let text = format!("this site has no location `match = \"{name}\"`; named ones: {known}");
            self.mistakes.push(path, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use process::settings::Mistakes;

    use crate::metrics::Metrics;
    use crate::route;
    use crate::settings::Config;

    #[test]
    fn what_cannot_come_is_a_mistake() {
        for (said, mistake) in [
            (
                "rule = [{ location = \"@none\" }]",
                "site[0].rule: this site has no location `match = \"@none\"`",
            ),
            ("limit_except = [\"GET\", \"post\"]", "site[0].limit_except[1]: `post` is no method"),
            ("timeout = \"0s\"", "site[0].timeout: must be longer than zero"),
            ("limit_except = [\"G T\"]", "site[0].limit_except[0]: `G T` is no method"),
            ("trusted_proxies = [\"10.1.0.0/16\", \"11.0.0.1\"]", "does not hold 11.0.0.1/32"),
            ("limit_except = [\"GET\", \"M-SEARCH\"]\ntrusted_proxies = [\"10.1.0.0/16\"]", ""),
        ] {
            let text = format!("trusted_proxies = [\"10.0.0.0/8\"]\n[[site]]\nroot = \"/\"\n{said}\n");
            let config: Config = toml::from_str(&text).unwrap();
            let mut mistakes = Mistakes::default();
            route::build(&config, &config.listen, &Metrics::new(Default::default), &mut mistakes);
            let found = mistakes.to_string();
            assert!(found.contains(mistake) && found.is_empty() == mistake.is_empty(), "{said}: {found}");
        }
    }
}
