//! What a location takes from the site and the locations around it.

use std::collections::BTreeMap;

use crate::route::fields::PlaceChain;
use crate::route::logs::PlaceLogs;
use crate::settings::pattern::Pattern;
use crate::settings::{LocationConfig, PlaceConfig, SiteConfig};
use crate::variables::Template;

/// What a place takes from those around it.
pub(super) struct OuterPlace<'a> {
    pub(super) place: PlaceConfig,
    pub(super) around: PlaceChain<'a>,
    /// An `alias`, and how much of a path it replaces.
    pub(super) alias: Option<(Template, usize)>,
    pub(super) try_files: Option<Vec<Template>>,
    pub(super) logs: PlaceLogs,
    pub(super) internal: bool,
    /// A site with rules is never on the fast path.
    pub(super) is_direct: bool,
    /// Where in the settings a key is that is inherited, so that a mistake in it is reported once.
    at: BTreeMap<&'static str, String>,
}

/// Keys in which something may be wrong, and that locations inherit.
const KEYS: [&str; 19] = [
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
    "error_log",
    "fastcgi_split_path_info",
];

impl<'a> OuterPlace<'a> {
    /// What a site says.
    pub(super) fn of_site(path: &str, config: &'a SiteConfig, logs: PlaceLogs, is_direct: bool) -> Self {
        Self {
            place: config.place(),
            around: PlaceChain { site: (path.to_owned(), config), locations: Vec::new() },
            alias: None,
            try_files: config.try_files.clone(),
            logs,
            internal: false,
            is_direct,
            at: KEYS.into_iter().map(|key| (key, path.to_owned())).collect(),
        }
    }

    /// Where in the settings this key is.
    pub(super) fn at(&self, path: &str, key: &str) -> String {
        format!("{}.{key}", self.at.get(key).map_or(path, String::as_str))
    }

    /// What holds at a location, and what it hands on to those within it.
    pub(super) fn within(&self, path: &str, config: &'a LocationConfig, logs: PlaceLogs) -> Self {
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
            config.error_log.is_some(),
            config.fastcgi_split_path_info.is_some(),
        ];
        let mut at = self.at.clone();
        at.extend(KEYS.into_iter().zip(own).filter(|(_, own)| *own).map(|(key, _)| (key, path.to_owned())));
        let literal = Pattern::parse(&config.pattern).ok().and_then(|pattern| pattern.literal_length());
        let alias = match (&config.alias, &config.root) {
            (Some(alias), _) => literal.map(|length| (alias.clone(), length)),
            (None, Some(_)) => None,
            (None, None) => self.alias.clone(),
        };
        let try_files = match (&config.try_files, config.says_what_answers()) {
            (Some(own), _) => Some(own.clone()),
            (None, true) => None,
            (None, false) => self.try_files.clone(),
        };
        Self {
            place: config.within(&self.place),
            around: self.around.within(path, config),
            alias,
            try_files,
            logs,
            internal: config.internal || self.internal,
            is_direct: self.is_direct,
            at,
        }
    }
}
