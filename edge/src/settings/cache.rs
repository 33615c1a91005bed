//! `[edge.site.location.cache]`: what a location caches, for how long, and for whom.

use std::collections::BTreeMap;

use http_cache::{
    ClientAddress, CookieRules, FieldLists, FieldRules, Heuristic, Jitter, Languages, Methods, Policy,
    QueryRules, RequestRule, RequestRules, TtlRules,
};
use process::settings::Mistakes;
use process::units::{Size, Time};
use serde::Deserialize;

use crate::variables::Template;

/// The defaults are those of the cache crate's `Policy`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// False: nothing is cached here, though the site says so.
    pub enabled: bool,
    /// The lifetime of replies that name none: of 200, 301 and 302, or by status.
    pub ttl: TtlConfig,
    pub stale_while_revalidate: Time,
    pub stale_if_error: Time,
    /// How long requests for a key go straight to the application after a reply that may not be stored.
    pub hit_for_miss: Time,
    pub cookies: CookiesConfig,
    /// Query parameters that neither the key nor the application sees; globs.
    pub ignore_query: Vec<String>,
    /// If not empty, the only query parameters that the key and the application see; globs.
    pub allow_query: Vec<String>,
    pub sort_query: bool,
    pub fields: FieldsConfig,
    /// Request fields whose values are part of the key: the same as `fields.split`.
    pub key_fields: Vec<String>,
    pub client_address: ClientAddressConfig,
    /// The languages that the site has; empty: Accept-Language is left as it was sent.
    pub languages: Vec<String>,
    /// Reduce Accept-Language to a language in which the page has come before, by its Content-Language.
    pub learn_languages: bool,
    /// How often an edge must be asked for a page before it stores it; 1: at once.
    pub min_uses: u32,
    /// The part of the time since Last-Modified for which a page is fresh, if it says nothing else: 0 to 1.
    pub heuristic: f64,
    pub methods: Vec<String>,
    /// The largest body that is stored; none: what L1 or the cache-node takes, and at most 16 MiB.
    pub max_object: Option<Size>,
    /// Reply fields that are ignored.
    pub ignore_fields: Vec<String>,
    /// Obey Cache-Control in requests.
    pub honour_request: bool,
    pub bypass: RulesConfig,
    pub no_store: RulesConfig,
    /// Texts with variables: if one of them is neither empty nor "0", a stored page is not used, and
    /// replaced.
    pub bypass_by: Vec<Template>,
    /// Likewise, the reply is not stored.
    pub no_store_by: Vec<Template>,
    /// A text with variables that is part of the key besides scheme, host, path and query.
    pub key: Option<Template>,
    /// The part of each lifetime, at most, that is subtracted at random: 0 to 1.
    pub jitter: f64,
}

/// "1s", or { "200" = "1s", "404" = "5s", "5xx" = "0s", any = "1s" }.
#[derive(Clone, Debug, PartialEq)]
pub enum TtlConfig {
    Usual(Time),
    ByStatus(BTreeMap<String, Time>),
}

impl<'de> Deserialize<'de> for TtlConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a time such as \"1s\", or a table of times by status such as { \"200\" = \"1s\" }";
        process::settings::text_or_table(deserializer, expecting, Self::Usual, Self::ByStatus)
    }
}

/// Cookie names, as globs; these lists come before the built-in ones.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CookiesConfig {
    /// Cookies of one visitor: a page generated for such a request is not shared.
    pub personal: Vec<String>,
    /// One variant of the page per value.
    pub split: Vec<String>,
    /// Neither the key nor the application sees them while a shared page is made.
    pub ignore: Vec<String>,
}

/// Names of request fields, as globs; these lists come before the built-in ones.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldsConfig {
    /// A visitor's own: the request goes straight to the application.
    pub personal: Vec<String>,
    /// One variant of the page per value.
    pub split: Vec<String>,
    /// The application sees them, and says in Vary if the page depends on them.
    pub vary: Vec<String>,
    /// Neither the key nor the application sees them while a shared page is made.
    pub ignore: Vec<String>,
}

/// What the client's address is to a shared page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAddressConfig {
    /// Neither the key nor the application sees it while a shared page is made.
    #[default]
    Ignore,
    /// One variant of the page per address.
    Split,
}

/// Requests, by method, or by a field, cookie or query parameter: "name" or "name=value".
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesConfig {
    pub method: Vec<String>,
    pub header: Vec<String>,
    pub cookie: Vec<String>,
    pub query: Vec<String>,
}

impl Default for CacheConfig {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            enabled: true,
            ttl: TtlConfig::Usual(Time::from_secs(1)),
            stale_while_revalidate: Time(policy.stale_while_revalidate),
            stale_if_error: Time(policy.stale_if_error),
            hit_for_miss: Time(policy.hit_for_miss),
            cookies: CookiesConfig::default(),
            ignore_query: Vec::new(),
            allow_query: Vec::new(),
            sort_query: false,
            fields: FieldsConfig::default(),
            key_fields: Vec::new(),
            client_address: ClientAddressConfig::Ignore,
            languages: Vec::new(),
            learn_languages: false,
            min_uses: policy.min_uses,
            heuristic: 0.0,
            methods: vec!["GET".into(), "HEAD".into()],
            max_object: None,
            ignore_fields: Vec::new(),
            honour_request: false,
            bypass: RulesConfig::default(),
            no_store: RulesConfig::default(),
            bypass_by: Vec::new(),
            no_store_by: Vec::new(),
            key: None,
            jitter: 0.0,
        }
    }
}

impl CacheConfig {
    /// The policy that these settings make. Mistakes are reported under `path`.
    pub(crate) fn policy(&self, path: &str, mistakes: &mut Mistakes) -> Policy {
        let mut at = |key: &str, text: String| mistakes.push(format!("{path}.{key}"), text);
        let ttl = match &self.ttl {
            TtlConfig::Usual(ttl) => TtlRules::new(ttl.0),
            TtlConfig::ByStatus(pairs) => {
                let pairs = pairs.iter().map(|(status, ttl)| (status.as_str(), ttl.0));
                TtlRules::by_status(pairs).unwrap_or_else(|text| {
                    at("ttl", text);
                    TtlRules::default()
                })
            }
        };
        let cookies = CookieRules::new(
            strs(&self.cookies.personal),
            strs(&self.cookies.split),
            strs(&self.cookies.ignore),
        );
        Policy {
            ttl,
            stale_while_revalidate: self.stale_while_revalidate.0,
            stale_if_error: self.stale_if_error.0,
            hit_for_miss: self.hit_for_miss.0,
            cookies: or_default(cookies, "cookies", &mut at),
            query: or_default(
                QueryRules::new(strs(&self.ignore_query), strs(&self.allow_query), self.sort_query),
                "ignore_query",
                &mut at,
            ),
            fields: or_default(self.field_rules(), "fields", &mut at),
            client: match self.client_address {
                ClientAddressConfig::Ignore => ClientAddress::Ignore,
                ClientAddressConfig::Split => ClientAddress::Split,
            },
            languages: or_default(Languages::new(strs(&self.languages)), "languages", &mut at),
            learn_languages: self.learn_languages,
            min_uses: self.min_uses,
            apart: Box::default(),
            heuristic: or_default(Heuristic::new(self.heuristic), "heuristic", &mut at),
            methods: or(Methods::new(strs(&self.methods)), Methods::GetAndHead, "methods", &mut at),
            max_object: self.max_object.map_or_else(|| Policy::default().max_object, |size| size.0),
            ignore_fields: or_default(
                http_cache::field_names(strs(&self.ignore_fields)),
                "ignore_fields",
                &mut at,
            ),
            honour_request: self.honour_request,
            bypass: or_default(self.bypass.rules(), "bypass", &mut at),
            no_store: or_default(self.no_store.rules(), "no_store", &mut at),
            jitter: or_default(Jitter::new(self.jitter), "jitter", &mut at),
        }
    }
}

impl CacheConfig {
    fn field_rules(&self) -> Result<FieldRules, String> {
        let FieldsConfig { personal, split, vary, ignore } = &self.fields;
        let split = &[&**split, &self.key_fields].concat();
        let rules = self.bypass.header.iter().chain(&self.no_store.header);
        let mentioned: Vec<_> = rules.filter_map(|rule| rule.split('=').next()).collect();
        FieldRules::new(&FieldLists { personal, split, vary, ignore, mentioned: &mentioned })
    }
}

impl RulesConfig {
    fn rules(&self) -> Result<RequestRules, String> {
        let split = |text: &str| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.to_owned(), None),
        };
        let mut rules = Vec::new();
        for name in &self.method {
            rules.push(RequestRule::method(name)?);
        }
        type Make = fn(&str, Option<&str>) -> Result<RequestRule, String>;
        let kinds: [(&[String], Make); 3] = [
            (&self.header, RequestRule::header),
            (&self.cookie, RequestRule::cookie),
            (&self.query, RequestRule::query),
        ];
        for (texts, make) in kinds {
            for text in texts {
                let (name, value) = split(text);
                rules.push(make(&name, value.as_deref())?);
            }
        }
        Ok(RequestRules(rules))
    }
}

fn strs(texts: &[String]) -> impl Iterator<Item = &str> + Clone {
    texts.iter().map(String::as_str)
}

fn or<T>(made: Result<T, String>, instead: T, key: &str, at: &mut impl FnMut(&str, String)) -> T {
    made.unwrap_or_else(|text| {
        at(key, text);
        instead
    })
}

fn or_default<T: Default>(made: Result<T, String>, key: &str, at: &mut impl FnMut(&str, String)) -> T {
    or(made, T::default(), key, at)
}
