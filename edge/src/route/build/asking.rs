//! What a place says about asking its application, and about sending what it replies.

use crate::fields::reply_rewrite::ReplyRewrite;
use crate::route::build::SiteBuilder;
use crate::route::build::files::is_plain_index;
use crate::route::build::outer::OuterPlace;
use crate::route::pool_choice::PoolChoice;
use crate::route::rates::Rates;
use crate::settings::PoolRequestConfig;
use crate::variables::{Needs, Template};

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

    pub(super) fn early_hints(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Template> {
        let wanted = inner.place.early_hints.clone().filter(|_| inner.place.pool.is_some())?;
        wanted.check(&inner.at(path, "early_hints"), &self.variables.names, self.mistakes);
        Some(wanted)
    }
}
