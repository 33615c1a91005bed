//! What a place says about asking its application, and about sending what it replies.

use crate::fields::reply_rewrite::ReplyRewrite;
use crate::fields::request::{self, RequestFields};
use crate::route::ReplyChanges;
use crate::route::build::SiteBuilder;
use crate::route::build::files::is_plain_index;
use crate::route::build::outer::OuterPlace;
use crate::route::cache_terms::CacheConditions;
use crate::route::pool_choice::PoolChoice;
use crate::route::rates::Rates;
use crate::route::recode::RecodeRule;
use crate::route::replace::ReplaceRule;
use crate::route::told::{ToldRules, ToldText};
use crate::route::trailers::Trailers;
use crate::settings::PoolRequestConfig;
use crate::variables::{DocumentRoot, Needs, Template};

impl SiteBuilder<'_> {
    /// The names of index files, if one of them is more than a name.
    pub(super) fn index(&mut self, path: &str, inner: &OuterPlace<'_>) -> Vec<Template> {
        let names = inner.place.index.as_deref().unwrap_or_default();
        if names.iter().all(|name| is_plain_index(name)) {
            return Vec::new();
        }
        let mut all = Vec::new();
        for name in names {
            match Template::parse(name) {
                Ok(template) => {
                    template.check(&format!("{path}.index"), &self.variables.names, self.mistakes);
                    all.push(template);
                }
                Err(text) => self.mistakes.push(format!("{path}.index"), text),
            }
        }
        all
    }

    pub(super) fn reply_rewrite(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<ReplyRewrite> {
        let config = inner.place.reply_rewrite.as_ref().filter(|_| inner.place.pool.is_some())?;
        ReplyRewrite::build(&inner.at(path, "reply_rewrite"), config, self.variables.defined(), self.mistakes)
    }

    pub(super) fn rates(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Box<Rates>> {
        let (rate, after) = (inner.place.limit_rate_by.clone(), inner.place.limit_rate_after_by.clone());
        for (key, template) in [("limit_rate_by", &rate), ("limit_rate_after_by", &after)] {
            if let Some(template) = template {
                template.check(&format!("{path}.{key}"), &self.variables.names, self.mistakes);
            }
        }
        (rate.is_some() || after.is_some()).then(|| Box::new(Rates { rate, after }))
    }

    pub(super) fn pool_choice(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<PoolChoice> {
        let config = inner.place.pool_choice.as_ref().filter(|_| inner.place.pool.is_some())?;
        let at = format!("{path}.pool_choice");
        config.by.check(&format!("{at}.by"), &self.variables.names, self.mistakes);
        let needs = config.by.needs(&self.variables.names);
        let caches = inner.place.cache.as_ref().is_some_and(|cache| cache.enabled);
        if caches && needs.has(Needs::VISITOR.and(Needs::QUERY)) {
            let text = "depends on the visitor, so its pages cannot be shared; remove `cache`";
            self.mistakes.push(format!("{at}.by"), text);
        }
        if let Some(target) = &config.target {
            target.check(&format!("{at}.target"), &self.variables.names, self.mistakes);
            if caches {
                let text = "a page that is asked for by another path cannot be shared; remove `cache`";
                self.mistakes.push(format!("{at}.target"), text);
            }
        }
        Some(PoolChoice::new(config, caches))
    }

    pub(super) fn pool_request(
        &mut self,
        path: &str,
        inner: &OuterPlace<'_>,
    ) -> Option<Box<PoolRequestConfig>> {
        let wanted = inner.place.pool_request.clone()?;
        if inner.place.pool.is_none() || wanted.is_usual() {
            return None;
        }
        let at = format!("{path}.pool_request");
        let texts = [
            ("method", &wanted.method),
            ("body", &wanted.body),
            ("host", &wanted.host),
            ("scheme", &wanted.scheme),
        ];
        let caches = inner.place.cache.as_ref().is_some_and(|cache| cache.enabled);
        for (key, text) in texts {
            if let Some(text) = text {
                text.check(&format!("{at}.{key}"), &self.variables.names, self.mistakes);
                let needs = text.needs(&self.variables.names);
                if caches && needs.has(Needs::VISITOR.and(Needs::QUERY)) {
                    let why = "depends on the visitor, so its pages cannot be shared; remove `cache`";
                    self.mistakes.push(format!("{at}.{key}"), why);
                }
            }
        }
        if wanted.asks_otherwise() && caches {
            self.mistakes
                .push(at, "a page that is asked for in another way cannot be shared; remove `cache`");
        }
        Some(Box::new(wanted))
    }

    pub(super) fn changes(&mut self, path: &str, inner: &OuterPlace<'_>) -> ReplyChanges {
        ReplyChanges {
            replace: self.replace(path, inner),
            recode: self.recode(path, inner),
            trailers: self.trailers(path, inner),
            gunzip: inner.place.gunzip.unwrap_or(false) && inner.place.pool.is_some(),
        }
    }

    fn replace(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Box<ReplaceRule>> {
        let config = inner.place.replace.as_ref()?;
        let at = format!("{path}.replace");
        ReplaceRule::new(&at, config, &self.variables.names, self.mistakes).map(Box::new)
    }

    fn recode(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Box<RecodeRule>> {
        let config = inner.place.recode.as_ref().filter(|recode| !recode.charset.is_empty())?;
        match RecodeRule::new(config) {
            Ok(rule) => Some(Box::new(rule)),
            Err((index, text)) => {
                self.mistakes.push(format!("{path}.recode.table[{index}]"), text);
                None
            }
        }
    }

    fn trailers(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Box<Trailers>> {
        let configs = inner.place.trailers.as_deref()?;
        let at = format!("{path}.trailers");
        Trailers::new(&at, configs, &self.variables.names, self.mistakes).map(Box::new)
    }

    /// What the adapter is told with each request.
    pub(super) fn told(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Box<ToldRules>> {
        let wanted = inner.place.pool_request.as_ref().filter(|_| inner.place.pool.is_some())?;
        let at = format!("{path}.pool_request");
        let mut rules = ToldRules { hash: wanted.hash.clone(), ..ToldRules::default() };
        if let Some(hash) = &wanted.hash {
            hash.check(&format!("{at}.hash"), &self.variables.names, self.mistakes);
        }
        let names = &self.variables.names;
        let text = |text: &Template| ToldText {
            text: text.clone(),
            is_of_the_visitor: text.needs(names).has(Needs::VISITOR.and(Needs::QUERY)),
        };
        for (name, value) in &wanted.told {
            let at = format!("{at}.told.{name}");
            value.check(&at, names, self.mistakes);
            match request::told_by_weir(name) {
                Some(name) => rules.fields.push((name, text(value))),
                None => self.mistakes.push(at, "Weir does not tell this field itself; see `request_fields`"),
            }
        }
        for (index, value) in wanted.values.iter().enumerate() {
            value.check(&format!("{at}.values[{index}]"), names, self.mistakes);
            rules.values.push(text(value));
        }
        (!rules.is_empty()).then(|| Box::new(rules))
    }

    /// What the cache makes of a request besides its usual rules.
    pub(super) fn cache_conditions(
        &mut self,
        path: &str,
        inner: &OuterPlace<'_>,
        fields: Option<&RequestFields>,
        root: &DocumentRoot,
    ) -> Option<Box<CacheConditions>> {
        let cache = inner.place.cache.as_ref()?;
        let at = inner.at(path, "cache");
        let lists = [("bypass_by", &cache.bypass_by), ("no_store_by", &cache.no_store_by)];
        for (key, texts) in lists {
            for (index, text) in texts.iter().enumerate() {
                text.check(&format!("{at}.{key}[{index}]"), &self.variables.names, self.mistakes);
            }
        }
        if let Some(text) = &cache.key {
            text.check(&format!("{at}.key"), &self.variables.names, self.mistakes);
        }
        if !cache.enabled || inner.place.pool.is_none() {
            return None;
        }
        let conditions = CacheConditions {
            bypass: cache.bypass_by.clone(),
            no_store: cache.no_store_by.clone(),
            key: cache.key.clone(),
            told: self.told_beyond_url(inner, fields, root),
        };
        (!conditions.is_empty()).then(|| Box::new(conditions))
    }

    /// The texts that the application is told of each request, whose values the URL alone does not settle.
    fn told_beyond_url(
        &self,
        inner: &OuterPlace<'_>,
        fields: Option<&RequestFields>,
        root: &DocumentRoot,
    ) -> Vec<Template> {
        let names = &self.variables.names;
        let is_settled =
            |text: &Template| !text.needs_beyond_files(names).has(Needs::WHOLE.and(Needs::REPLY));
        let root_is_settled = root.directory.as_ref().is_none_or(is_settled);
        let differs = |text: &&Template| !is_settled(text) || text.names_files() && !root_is_settled;
        let asked = inner.place.pool_request.iter();
        let asked = asked.flat_map(|wanted| {
            let told = wanted.told.values().chain(&wanted.values);
            told.chain(&wanted.host).chain(&wanted.scheme)
        });
        let chosen = inner.place.pool_choice.iter().map(|choice| &choice.by);
        let fields = fields.into_iter().flat_map(RequestFields::common);
        // What depends on the visitor is not told while a page for all is made.
        let is_told = |text: &&Template| !text.needs(names).has(Needs::VISITOR.and(Needs::QUERY));
        let texts = asked.chain(chosen).chain(fields).filter(is_told).chain(&root.directory);
        texts.filter(differs).cloned().collect()
    }

    pub(super) fn early_hints(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Template> {
        let wanted = inner.place.early_hints.clone().filter(|_| inner.place.pool.is_some())?;
        wanted.check(&inner.at(path, "early_hints"), &self.variables.names, self.mistakes);
        Some(wanted)
    }
}
