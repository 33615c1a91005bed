//! The fields that settings add to replies, replace and remove there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use http::header::{
    AGE, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, ORIGIN,
    SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http1::write::field_line;
use process::settings::Mistakes;

use crate::fields::cors::Cors;
use crate::fields::security;
use crate::settings::expires::Expires;
use crate::settings::reply_fields::{CorsConfig, ExpiresSetting, InheritFields, ReplyFieldConfig, Security};
use crate::variables::{Definitions, Facts, RouteFacts, Template, VariableNames};

/// All that changes the fields of a location's replies.
#[derive(Debug)]
pub(crate) struct ReplyFields {
    /// Differs from that of all others, also after a reload.
    pub(crate) number: u64,
    rules: Vec<FieldRule>,
    cors: Option<Cors>,
    expires: Option<Template>,
    definitions: Arc<Definitions>,
    needs_request: bool,
    /// Names as the settings spell them, where that is not `X-Title-Case`.
    spelled: Vec<Box<str>>,
}

#[derive(Debug)]
struct FieldRule {
    action: Action,
    name: HeaderName,
    value: FieldText,
    on: FieldStatuses,
    https_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Add,
    /// Adds a field that a reply has once.
    AddOnly,
    Set,
    Default,
    Remove,
}

#[derive(Debug)]
enum FieldText {
    Constant(HeaderValue),
    Computed(Template),
}

#[derive(Debug)]
enum FieldStatuses {
    /// The statuses of nginx's `add_header` without `always`.
    Usual,
    Always,
    /// First and last of each range.
    Listed(Vec<(u16, u16)>),
}

impl FieldStatuses {
    fn holds(&self, status: StatusCode) -> bool {
        match self {
            Self::Usual => {
                matches!(status.as_u16(), 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308)
            }
            Self::Always => true,
            Self::Listed(ranges) => {
                ranges.iter().any(|(first, last)| (first..=last).contains(&&status.as_u16()))
            }
        }
    }
}

/// What one of edge, site and location says.
pub(crate) struct ReplyLevel<'a> {
    pub(crate) path: String,
    pub(crate) fields: &'a [ReplyFieldConfig],
    pub(crate) inherit: InheritFields,
    pub(crate) cors: Option<&'a CorsConfig>,
    pub(crate) security: Option<Security>,
}

/// The variables of these settings.
#[derive(Clone, Copy)]
pub(crate) struct VariableScope<'a> {
    pub(crate) names: &'a VariableNames,
    pub(crate) definitions: &'a Arc<Definitions>,
}

impl ReplyFields {
    /// Joins the levels, the outermost first. `None`: they change nothing.
    pub(crate) fn build(
        levels: &[ReplyLevel<'_>],
        expires: Option<(&str, &ExpiresSetting)>,
        defined: VariableScope<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<Arc<Self>> {
        let mut rules = Vec::new();
        for level in levels {
            if level.inherit == InheritFields::Replace && !level.fields.is_empty() {
                rules.clear();
            }
            for (at, config) in level.fields.iter().enumerate() {
                let path = format!("{}.reply_fields[{at}]", level.path);
                rules.extend(FieldRule::build(&path, config, defined.names, mistakes));
            }
        }
        let security = levels.iter().rev().find_map(|level| level.security).unwrap_or(Security::Off);
        let fields = security::fields(security).iter();
        // First of all: what is said in so many words comes after it.
        rules.splice(0..0, fields.map(|field| FieldRule::of_security(*field)));
        let cors = levels.iter().rev().find_map(|level| Some((level, level.cors?)));
        let cors =
            cors.and_then(|(level, config)| Cors::build(&format!("{}.cors", level.path), config, mistakes));
        let expires = expires.and_then(|(path, setting)| match setting {
            ExpiresSetting::Fixed(_) => None,
            ExpiresSetting::Computed(template) => {
                template.check(&format!("{path}.expires"), defined.names, mistakes);
                Some(template.clone())
            }
        });
        if rules.is_empty() && cors.is_none() && expires.is_none() {
            return None;
        }
        // Also for what is the same for all requests, such as `$server_name`: its value is known with them.
        let needs_request = rules.iter().any(|rule| rule.template().is_some())
            || expires.is_some()
            || cors.as_ref().is_some_and(|cors| !cors.is_for_all());
        let names = levels.iter().flat_map(|level| level.fields).filter_map(|field| {
            let names = [&field.add, &field.set, &field.default];
            names.into_iter().flatten().next()
        });
        let spelled = names.filter(|name| !is_title(name)).map(|name| name.as_str().into()).collect();
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Some(Arc::new(Self {
            number: NUMBER.fetch_add(1, Relaxed),
            rules,
            cors,
            expires,
            definitions: defined.definitions.clone(),
            needs_request,
            spelled,
        }))
    }

    pub(crate) fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// Some value depends on the request or the reply: the fast path does not know enough.
    pub(crate) fn needs_request(&self) -> bool {
        self.needs_request || self.expires.is_some()
    }

    /// Gives names in a head that is written in title case the settings' own spelling.
    pub(crate) fn spell(&self, head: &mut [u8]) {
        if self.spelled.is_empty() {
            return;
        }
        for line in head.split_mut(|byte| *byte == b'\n').skip(1) {
            let Some(name) = line.split_mut(|byte| *byte == b':').next() else { continue };
            if let Some(own) = self.spelled.iter().find(|own| own.as_bytes().eq_ignore_ascii_case(name)) {
                name.copy_from_slice(own.as_bytes());
            }
        }
    }

    /// Changes the fields of a reply. All values are computed before the first field changes.
    pub(crate) fn apply(
        &self,
        status: StatusCode,
        headers: &mut HeaderMap,
        facts: Option<&Facts<'_>>,
        https: bool,
    ) {
        let known = facts.map(|facts| Facts {
            route: RouteFacts { definitions: Some(&*self.definitions), ..facts.route },
            ..*facts
        });
        let expires = self.expires.as_ref().zip(known.as_ref()).and_then(|(template, facts)| {
            Expires::parse(std::str::from_utf8(&template.value(facts)).ok()?).ok()
        });
        let rules = self.rules.iter().filter(|rule| rule.applies(status, https));
        let changes: Vec<_> = rules.map(|rule| (rule, rule.value(known.as_ref()))).collect();
        let origin = known.and_then(|facts| facts.request_field(&ORIGIN)).map(|origin| origin.into_owned());
        if let Some(expires) = expires {
            let changed = headers.get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
            let changed = changed.and_then(|date| httpdate::parse_http_date(date).ok());
            expires.apply(status, headers, SystemTime::now(), changed);
        }
        for (rule, value) in changes {
            rule.change(headers, value);
        }
        if let Some(cors) = &self.cors {
            cors.apply(headers, origin.as_deref());
        }
    }

    /// Whether all that happens to a reply with these fields is that lines are added to it.
    pub(crate) fn only_adds(&self, headers: &HeaderMap) -> bool {
        let adds = |rule: &FieldRule| rule.action == Action::Add || !headers.contains_key(&rule.name);
        !self.needs_request()
            && self.cors.is_none()
            && self.rules.iter().all(|rule| adds(rule) && rule.name != SERVER)
    }

    /// Writes these lines.
    pub(crate) fn write_added(&self, status: StatusCode, https: bool, out: &mut Vec<u8>) {
        for rule in self.rules.iter().filter(|rule| rule.applies(status, https)) {
            if let (FieldText::Constant(value), false) = (&rule.value, rule.action == Action::Remove)
                && !value.is_empty()
            {
                field_line(out, rule.name.as_str(), value.as_bytes());
            }
        }
    }
}

impl FieldRule {
    fn build(
        path: &str,
        config: &ReplyFieldConfig,
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let named = [
            (Action::Add, "add", &config.add),
            (Action::Set, "set", &config.set),
            (Action::Default, "default", &config.default),
            (Action::Remove, "remove", &config.remove),
        ];
        let mut named = named.iter().filter_map(|(action, key, name)| Some((*action, *key, name.as_ref()?)));
        let (Some((action, key, name)), None) = (named.next(), named.next()) else {
            mistakes.push(path, "write one of `add`, `set`, `default` and `remove`, with a field's name");
            return None;
        };
        let name = match field_name(name) {
            Ok(name) => name,
            Err(text) => {
                mistakes.push(format!("{path}.{key}"), text);
                return None;
            }
        };
        let value = match (&config.value, action) {
            (Some(_), Action::Remove) => {
                mistakes.push(format!("{path}.value"), "`remove` takes no value");
                return None;
            }
            (None, Action::Remove) => FieldText::Constant(HeaderValue::from_static("")),
            (Some(template), _) => field_text(&format!("{path}.value"), template, names, mistakes)?,
            (None, _) => {
                mistakes.push(path, "a `value` is needed");
                return None;
            }
        };
        let on = match (config.always, config.status.is_empty()) {
            (true, false) => {
                mistakes.push(format!("{path}.status"), "`always` is every status; remove one of the two");
                return None;
            }
            (true, true) => FieldStatuses::Always,
            // What must not be seen must not be seen on any status.
            (false, true) if action == Action::Remove => FieldStatuses::Always,
            (false, true) => FieldStatuses::Usual,
            (false, false) => FieldStatuses::Listed(statuses(path, &config.status, mistakes)?),
        };
        // nginx replaces these two; a second Content-Type would be one too many.
        let single = matches!(name, CONTENT_TYPE | ETAG | LAST_MODIFIED | LOCATION | SERVER);
        let action = if action == Action::Add && single { Action::AddOnly } else { action };
        Some(Self { action, name, value, on, https_only: false })
    }

    fn of_security((name, value, https_only): security::SecurityField) -> Self {
        let value = FieldText::Constant(HeaderValue::from_static(value));
        Self {
            action: Action::Default,
            name: HeaderName::from_static(name),
            value,
            on: FieldStatuses::Always,
            https_only,
        }
    }

    fn template(&self) -> Option<&Template> {
        if let FieldText::Computed(template) = &self.value { Some(template) } else { None }
    }

    fn applies(&self, status: StatusCode, https: bool) -> bool {
        self.on.holds(status) && (https || !self.https_only)
    }

    /// `None`: there is nothing to add. An empty value is none, as in nginx.
    fn value(&self, facts: Option<&Facts<'_>>) -> Option<HeaderValue> {
        match &self.value {
            FieldText::Constant(value) => Some(value.clone()).filter(|value| !value.is_empty()),
            FieldText::Computed(template) => match template.field_value(facts?) {
                Ok(value) => Some(value).filter(|value| !value.is_empty()),
                Err(refused) => {
                    tracing::debug!(field = %self.name, "field not added: {refused}");
                    None
                }
            },
        }
    }

    fn change(&self, headers: &mut HeaderMap, value: Option<HeaderValue>) {
        match (self.action, value) {
            (Action::Remove, _) => drop(headers.remove(&self.name)),
            (Action::Add, Some(value)) => drop(headers.append(&self.name, value)),
            (Action::Set | Action::AddOnly, Some(value)) => drop(headers.insert(&self.name, value)),
            (Action::Set, None) => drop(headers.remove(&self.name)),
            // As in nginx, these are taken away. Another field stays as it was.
            (Action::AddOnly, None) if matches!(self.name, ETAG | LAST_MODIFIED) => {
                drop(headers.remove(&self.name));
            }
            (Action::Default, Some(value)) if !headers.contains_key(&self.name) => {
                headers.insert(&self.name, value);
            }
            (Action::Add | Action::AddOnly | Action::Default, _) => {}
        }
    }
}

/// Whether each word begins with its only capital.
fn is_title(name: &str) -> bool {
    name.split('-').all(|word| {
        let rest = word.get(1..).unwrap_or_default();
        !word.starts_with(|first: char| first.is_ascii_lowercase())
            && !rest.contains(|letter: char| letter.is_ascii_uppercase())
    })
}

fn field_text(
    path: &str,
    template: &Template,
    names: &VariableNames,
    mistakes: &mut Mistakes,
) -> Option<FieldText> {
    template.check(path, names, mistakes);
    let Some(text) = template.constant() else { return Some(FieldText::Computed(template.clone())) };
    match HeaderValue::from_str(text) {
        Ok(value) => Some(FieldText::Constant(value)),
        Err(_) => {
            mistakes.push(path, "contains a character that a field must not have");
            None
        }
    }
}

/// The name of a field that settings may change.
pub(super) fn field_name(name: &str) -> Result<HeaderName, String> {
    let known = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("`{name}` is not the name of a field; use letters, digits and `-`"))?;
    let of_the_connection = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, TE, TRAILER, UPGRADE, DATE, AGE];
    if of_the_connection.contains(&known) || matches!(known.as_str(), "keep-alive" | "cache-status") {
        return Err(format!("`{name}` is Weir's own affair; remove this entry"));
    }
    Ok(known)
}

fn statuses(path: &str, list: &[String], mistakes: &mut Mistakes) -> Option<Vec<(u16, u16)>> {
    let mut ranges = Vec::new();
    for (at, text) in list.iter().enumerate() {
        let class = text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
        let range = match (class, text.parse::<u16>()) {
            (Some(class), _) if (2..=5).contains(&class) => Some((class * 100, class * 100 + 99)),
            (None, Ok(code)) if (200..=599).contains(&code) => Some((code, code)),
            _ => None,
        };
        match range {
            Some(range) => ranges.push(range),
            None => {
                let text =
                    format!("`{text}` is neither a status such as \"404\" nor a class such as \"5xx\"");
                mistakes.push(format!("{path}.status[{at}]"), text);
                return None;
            }
        }
    }
    Some(ranges)
}

#[cfg(test)]
mod tests;
