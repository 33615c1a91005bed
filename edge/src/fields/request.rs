//! The fields that settings give to requests on their way to the application, or take from them.
//!
//! A page is shared only if it is the same for all whom it may be given to. A value that is the same for each
//! request with this key (a constant, host, scheme) can go along always. A value that depends on the visitor
//! counts as if the visitor had sent the field: the cache's lists say what it means, and a field that no list
//! knows keeps the request from the cache.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use http_cache::FieldClass;
use process::settings::Mistakes;

use crate::fields::reply::{VariableScope, field_name};
use crate::settings::reply_fields::{InheritFields, RequestFieldConfig};
use crate::variables::{Definitions, Facts, Needs, RouteFacts, Template};

/// Fields in which the edge tells what it has settled about the client.
const OURS: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "traceparent",
    "via",
];

#[derive(Debug)]
pub(crate) struct RequestFields {
    rules: Vec<RequestRule>,
    definitions: Arc<Definitions>,
    changes_key: bool,
}

#[derive(Debug)]
struct RequestRule {
    name: HeaderName,
    /// `None`: the field is removed.
    value: Option<Template>,
    /// The value may differ between two requests with one key.
    is_of_the_visitor: bool,
}

/// What one of edge, site and location says.
pub(crate) struct RequestLevel<'a> {
    pub(crate) path: String,
    pub(crate) fields: &'a [RequestFieldConfig],
    pub(crate) inherit: InheritFields,
}

impl RequestFields {
    /// Joins the levels, the outermost first; of rules for one field, the last counts. `None`: they change
    /// nothing. `class` says what a field is to the location's cache.
    pub(crate) fn build(
        levels: &[RequestLevel<'_>],
        class: impl Fn(&HeaderName) -> FieldClass,
        defined: VariableScope<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<Self>> {
        let mut rules: Vec<RequestRule> = Vec::new();
        for level in levels {
            if level.inherit == InheritFields::Replace && !level.fields.is_empty() {
                rules.clear();
            }
            for (at, config) in level.fields.iter().enumerate() {
                let path = format!("{}.request_fields[{at}]", level.path);
                let Some(rule) = RequestRule::build(&path, config, defined, mistakes) else { continue };
                if rule.is_of_the_visitor && class(&rule.name) == FieldClass::Personal {
                    mistakes.push(
                        format!("{path}.value"),
                        format!(
                            "depends on the visitor, so no page of this location could be shared; add `{}` to \
                             cache.fields: `split` (one page for each value) or `ignore` (not sent while a shared \
                             page is made)",
                            rule.name
                        ),
                    );
                }
                rules.retain(|known| known.name != rule.name);
                rules.push(rule);
            }
        }
        let changes_key = |rule: &RequestRule| {
            (rule.is_of_the_visitor || rule.value.is_none()) && class(&rule.name) != FieldClass::Ignore
        };
        let changes_key = rules.iter().any(changes_key);
        let definitions = defined.definitions.clone();
        (!rules.is_empty()).then(|| Arc::new(Self { rules, definitions, changes_key }))
    }

    /// The values that go along with every request, shared pages' too.
    pub(crate) fn common(&self) -> impl Iterator<Item = &Template> {
        self.rules.iter().filter(|rule| !rule.is_of_the_visitor).filter_map(|rule| rule.value.as_ref())
    }

    /// The cache key of a request may be another than the fields that the client sent would make it.
    pub(crate) fn changes_key(&self) -> bool {
        self.changes_key
    }

    /// Changes the fields as if the client had sent them so, and returns those that every request with this
    /// key gets alike, which are added behind the cache. A value that is empty, or would end its line, is
    /// none: the field is removed.
    pub(crate) fn apply(&self, facts: &Facts<'_>) -> ChangedFields {
        let facts =
            Facts { route: RouteFacts { definitions: Some(&*self.definitions), ..facts.route }, ..*facts };
        let mut changed = ChangedFields::default();
        for rule in &self.rules {
            let value = rule.value.as_ref().and_then(|value| value.field_value(&facts).ok());
            match value.filter(|value| !value.is_empty()) {
                Some(value) if rule.is_of_the_visitor => changed.visitors.push((rule.name.clone(), value)),
                Some(value) => changed.common.push((rule.name.clone(), value)),
                None => {}
            }
            changed.removed.push(rule.name.clone());
        }
        changed
    }
}

/// What becomes of a request's fields.
#[derive(Debug, Default)]
pub(crate) struct ChangedFields {
    /// What the client sent under these names is not handed on.
    removed: Vec<HeaderName>,
    /// As if the client had sent them.
    visitors: Vec<(HeaderName, HeaderValue)>,
    /// Added behind the cache.
    common: Vec<(HeaderName, HeaderValue)>,
}

impl ChangedFields {
    /// Changes the fields; what is returned is added behind the cache.
    pub(crate) fn put(self, headers: &mut HeaderMap) -> CommonFields {
        for name in self.removed {
            headers.remove(name);
        }
        for (name, value) in self.visitors {
            headers.insert(name, value);
        }
        if self.common.is_empty() { None } else { Some(self.common.into()) }
    }
}

/// Fields that every request with the same key gets alike.
pub(crate) type CommonFields = Option<Arc<[(HeaderName, HeaderValue)]>>;

/// A field that Weir tells the application itself, where settings may give it another value.
pub(crate) fn told_by_weir(name: &str) -> Option<HeaderName> {
    const TOLD: [&str; 6] = [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
    ];
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    TOLD.contains(&name.as_str()).then_some(name)
}

/// The name of a field that settings may give to the application.
pub(crate) fn settable(name: &str) -> Result<HeaderName, String> {
    match field_name(name) {
        Ok(name) if name == http::header::HOST => Err("`Host` chooses the site and stays".to_owned()),
        Ok(name) if OURS.contains(&name.as_str()) => {
            Err(format!("Weir tells the application `{name}` itself; see `trusted_proxies`"))
        }
        Ok(name) if name == http::header::EXPECT => Err("`Expect` is Weir's own affair".to_owned()),
        checked => checked,
    }
}

impl RequestRule {
    fn build(
        path: &str,
        config: &RequestFieldConfig,
        defined: VariableScope<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let (key, name, value) = match (&config.set, &config.remove, &config.value) {
            (Some(name), None, Some(value)) => ("set", name, Some(value)),
            (None, Some(name), None) => ("remove", name, None),
            (Some(_), None, None) => {
                mistakes.push(path, "a `value` is needed");
                return None;
            }
            _ => {
                mistakes.push(path, "write `set` with a `value`, or `remove`");
                return None;
            }
        };
        let name = match settable(name) {
            Ok(name) => name,
            Err(text) => {
                mistakes.push(format!("{path}.{key}"), text);
                return None;
            }
        };
        if let Some(value) = value {
            let path = format!("{path}.value");
            value.check(&path, defined.names, mistakes);
            if value.needs(defined.names).has(Needs::REPLY) {
                mistakes.push(path, "depends on the reply, which is not known before the request is sent");
            }
        }
        let needs = value.map_or(Needs::NOTHING, |value| value.needs(defined.names));
        let is_of_the_visitor = needs.has(Needs::VISITOR.and(Needs::QUERY));
        Some(Self { name, value: value.cloned(), is_of_the_visitor })
    }
}
