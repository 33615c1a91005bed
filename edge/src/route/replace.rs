//! nginx's `sub_filter`: which texts are replaced in which replies.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use process::settings::Mistakes;

use crate::settings::ReplaceConfig;
use crate::variables::{Facts, Template, VariableNames};

#[derive(Debug)]
pub(crate) struct ReplaceRule {
    pairs: Vec<(Template, Template)>,
    /// Media types in lower case; `*`: all.
    types: Vec<String>,
    pub(crate) once: bool,
    /// The reply keeps Last-Modified and ETag.
    pub(crate) keeps_date: bool,
}

impl ReplaceRule {
    pub(crate) fn new(
        path: &str,
        config: &ReplaceConfig,
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        for (index, (from, to)) in config.texts.iter().enumerate() {
            from.check(&format!("{path}.texts[{index}]"), names, mistakes);
            to.check(&format!("{path}.texts[{index}]"), names, mistakes);
        }
        let types = config.types.iter().map(|kind| kind.to_ascii_lowercase()).collect();
        let rule = Self {
            pairs: config.texts.clone(),
            types,
            once: config.once,
            keeps_date: config.keep_last_modified,
        };
        (!rule.pairs.is_empty()).then_some(rule)
    }

    pub(crate) fn suits(&self, headers: &HeaderMap) -> bool {
        headers.get(CONTENT_TYPE).is_some_and(|kind| is_among(kind.as_bytes(), &self.types))
    }

    pub(crate) fn pairs(&self, facts: &Facts<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let value = |template: &Template| template.value(facts).into_owned();
        self.pairs.iter().map(|(from, to)| (value(from), value(to))).collect()
    }
}

/// Whether a media type, whatever its parameters, is in a list in lower case.
pub(super) fn is_among(kind: &[u8], types: &[String]) -> bool {
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    types.iter().any(|known| known == "*" || known.as_bytes().eq_ignore_ascii_case(essence))
}
