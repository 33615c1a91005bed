//! `auth_request` as a location has it: the page that decides, and what is taken from its reply.

use std::sync::Arc;

use http::HeaderName;
use process::settings::Mistakes;

use crate::fields::request::settable;
use crate::request::path::{self, NormalPath};
use crate::route::fields::{VariableSets, Variables};
use crate::settings::AuthRequestConfig;

pub(crate) struct AuthCheck {
    /// Path and query of the page.
    pub(crate) path: NormalPath<'static>,
    pub(crate) query: Option<Box<[u8]>>,
    /// Variables that get values from its reply.
    pub(crate) sets: Option<Arc<VariableSets>>,
    /// Fields of its reply that the application gets, and clients cannot send.
    pub(crate) fields: Vec<HeaderName>,
    /// Cookies that it sets go to the client.
    pub(crate) cookies: bool,
}

impl AuthCheck {
    /// Reports mistakes below `at`. `None`: no page decides.
    pub(super) fn build(
        at: &str,
        config: Option<&AuthRequestConfig>,
        variables: &Variables,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let table = config?.table()?;
        let (page, query) = match table.uri.split_once('?') {
            Some((page, query)) => (page, Some(query.as_bytes().into())),
            None => (table.uri.as_str(), None),
        };
        for (index, (_, value)) in table.set.iter().enumerate() {
            value.check(&format!("{at}.set[{index}]"), &variables.names, mistakes);
        }
        let mut fields = Vec::with_capacity(table.fields.len());
        for (index, name) in table.fields.iter().enumerate() {
            match settable(name) {
                Ok(name) => fields.push(name),
                Err(text) => mistakes.push(format!("{at}.fields[{index}]"), text),
            }
        }
        let Some(path) = path::resolved(page.as_bytes()).ok().filter(|_| page.starts_with('/')) else {
            mistakes.push(at, format!("`{}` is not a path; write \"/auth\"", table.uri));
            return None;
        };
        Some(Self { path, query, sets: variables.sets(&table.set), fields, cookies: table.cookies })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Config;

    fn mistakes(setting: &str) -> String {
        let text = format!("[[site]]\nroot = \"/srv\"\nauth_request = {setting}\n");
        let config: Config = match toml::from_str(&text) {
            Ok(config) => config,
            Err(error) => return error.message().to_owned(),
        };
        let mut mistakes = Mistakes::default();
        let variables = Variables::of(&config, &mut mistakes);
        let place = config.site[0].place();
        AuthCheck::build("at", place.auth_request.as_ref(), &variables, &mut mistakes);
        mistakes.to_string()
    }

    #[test]
    fn says_what_is_wrong() {
        for (setting, said) in [
            ("\"/auth?x=1\"", ""),
            ("false", ""),
            ("{ uri = \"/auth\", set = [[\"who\", \"$upstream_http_x_user\"]], fields = [\"X-User\"] }", ""),
            ("true", "`true` does not say which page"),
            ("\"auth\"", "at: `auth` is not a path"),
            ("\"https://x/\"", "at: `https://x/` is not a path"),
            ("{ fields = [] }", "missing field `uri`"),
            ("{ uri = \"/a\", fields = [\"Host\"] }", "at.fields[0]: `Host` chooses the site"),
            ("{ uri = \"/a\", fields = [\"a b\"] }", "at.fields[0]:"),
            ("{ uri = \"/a\", set = [[\"w\", \"$nothing\"]] }", "at.set[0]: there is no variable `$nothing`"),
            (
                "{ uri = \"/a\", set = [[\"host\", \"x\"]] }",
                "auth_request.set[0]: `$host` is a variable of Weir's own",
            ),
        ] {
            let text = mistakes(setting);
            assert!(text.contains(said) && (said.is_empty() == text.is_empty()), "{setting}: {text}");
        }
    }
}
