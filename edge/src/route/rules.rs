//! What the rules of a site or a location do with a request: conditions, `set`, `rewrite`, `return`.
//!
//! `condition` is what a rule asks for, `rewrite` changes the path. Everything is compiled when the settings
//! are read; a regular expression takes linear time.

pub(crate) mod condition;
pub(crate) mod rewrite;

use std::sync::Arc;

use http::StatusCode;
use process::settings::Mistakes;

use crate::route::returns::{Return, ReturnContent};
use crate::settings::{LocationConfig, RuleConfig, SiteConfig};
use crate::variables::{Needs, Template, VariableNames};
use condition::Condition;
use rewrite::Rewrite;

/// The rules of one place, in order.
#[derive(Debug, Default)]
pub(crate) struct Rules(pub(crate) Vec<Rule>);

#[derive(Debug)]
pub(crate) struct Rule {
    /// Where it stands, for `explain`: `rule[2]`.
    pub(crate) name: Box<str>,
    /// All of them must hold.
    pub(crate) when: Vec<Condition>,
    pub(crate) actions: Vec<RuleAction>,
}

#[derive(Debug)]
pub(crate) enum RuleAction {
    Set(Arc<str>, Template),
    /// This location answers once the rules are through; `None`: the place itself.
    Place(Option<Arc<str>>),
    Rewrite(Rewrite),
    Return(Return),
    Break,
}

/// The rules as the settings of one place say them.
pub(crate) struct PlaceRules<'a> {
    pub(crate) rule: &'a [RuleConfig],
    pub(crate) rewrite: &'a [String],
    pub(crate) answer: Option<&'a Template>,
}

impl<'a> PlaceRules<'a> {
    pub(super) fn of_site(site: &'a SiteConfig) -> Self {
        Self { rule: &site.rule, rewrite: &site.rewrite, answer: site.r#return.as_ref() }
    }

    pub(super) fn of(location: &'a LocationConfig) -> Self {
        Self { rule: &location.rule, rewrite: &location.rewrite, answer: location.r#return.as_ref() }
    }
}

impl Rules {
    /// `rule` comes first, then `rewrite`, then `return`.
    pub(crate) fn new(
        path: &str,
        config: &PlaceRules<'_>,
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut rules = Vec::new();
        for (index, rule) in config.rule.iter().enumerate() {
            let name = format!("rule[{index}]");
            rules.push(Rule::new(&format!("{path}.{name}"), name, rule, names, mistakes));
        }
        let always =
            |name: String, action| Rule { name: name.into(), when: Vec::new(), actions: vec![action] };
        for (index, text) in config.rewrite.iter().enumerate() {
            let name = format!("rewrite[{index}]");
            let rewrite = rewrite_of(&format!("{path}.{name}"), text, names, mistakes);
            rules.extend(rewrite.map(|rewrite| always(name, RuleAction::Rewrite(rewrite))));
        }
        if let Some(text) = config.answer {
            let answer = return_of(&format!("{path}.return"), text, names, mistakes);
            rules.extend(answer.map(|answer| always("return".into(), RuleAction::Return(answer))));
        }
        Self(rules)
    }

    /// The one rule of a place that cannot be known: 500.
    pub(crate) fn failing() -> Self {
        let answer = Return { status: StatusCode::INTERNAL_SERVER_ERROR, content: ReturnContent::Page };
        let name = "a regular expression that has no end".into();
        Self(vec![Rule { name, when: Vec::new(), actions: vec![RuleAction::Return(answer)] }])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The locations that they name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| &rule.actions).filter_map(|action| match action {
            RuleAction::Place(Some(name)) => Some(&**name),
            _ => None,
        })
    }
}

impl Rule {
    fn new(
        path: &str,
        name: String,
        config: &RuleConfig,
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut when = Vec::with_capacity(config.when.len());
        for (key, wanted) in &config.when {
            let path = format!("{path}.when.{key}");
            match Condition::new(key, wanted) {
                Ok(conditions) => {
                    for condition in conditions {
                        condition.check(&path, names, mistakes);
                        when.push(condition);
                    }
                }
                Err(text) => mistakes.push(path, text),
            }
        }
        let mut actions = Vec::new();
        for (variable, value) in &config.set {
            let path = format!("{path}.set.{variable}");
            value.check(&path, names, mistakes);
            match Template::parse(&format!("${{{}}}", variable.trim_start_matches('$'))) {
                Ok(_) => {
                    let bare = variable.trim_start_matches('$').to_ascii_lowercase();
                    actions.push(RuleAction::Set(bare.into(), value.clone()));
                }
                Err(text) => mistakes.push(path, text),
            }
        }
        match config.location.as_deref() {
            None => {}
            Some("") => actions.push(RuleAction::Place(None)),
            Some(name) if name.starts_with('@') => actions.push(RuleAction::Place(Some(name.into()))),
            Some(other) => {
                mistakes.push(format!("{path}.location"), format!("`{other}` is no name such as \"@name\""))
            }
        }
        for (index, text) in config.rewrite.iter().enumerate() {
            let rewrite = rewrite_of(&format!("{path}.rewrite[{index}]"), text, names, mistakes);
            actions.extend(rewrite.map(RuleAction::Rewrite));
        }
        if let Some(text) = &config.answer {
            actions
                .extend(return_of(&format!("{path}.return"), text, names, mistakes).map(RuleAction::Return));
        }
        if config.ends {
            actions.push(RuleAction::Break);
        }
        if actions.is_empty() && mistakes.is_empty() {
            mistakes.push(
                path,
                "this rule does nothing; add `return`, `rewrite`, `set`, `location` or `break = true`",
            );
        }
        Self { name: name.into(), when, actions }
    }
}

fn rewrite_of(path: &str, text: &str, names: &VariableNames, mistakes: &mut Mistakes) -> Option<Rewrite> {
    match Rewrite::parse(text) {
        Ok(rewrite) => {
            rewrite.check(path, names, mistakes);
            Some(rewrite)
        }
        Err(text) => {
            mistakes.push(path, text);
            None
        }
    }
}

fn return_of(path: &str, text: &Template, names: &VariableNames, mistakes: &mut Mistakes) -> Option<Return> {
    match Return::parse(text) {
        Ok(answer) => {
            answer.check(path, names, mistakes);
            Some(answer)
        }
        Err(text) => {
            mistakes.push(path, text);
            None
        }
    }
}

/// Adds the variables that rules set, and the named groups of their regular expressions, to those that the
/// settings define.
pub(crate) fn define(
    path: &str,
    config: &PlaceRules<'_>,
    names: &mut VariableNames,
    mistakes: &mut Mistakes,
) {
    let mut groups = Vec::new();
    for (index, rule) in config.rule.iter().enumerate() {
        for name in rule.set.keys() {
            if let Err(text) = names.define(name, Needs::VISITOR.and(Needs::WHOLE)) {
                mistakes.push(format!("{path}.rule[{index}].set.{name}"), text);
            }
        }
        for (key, wanted) in &rule.when {
            groups.extend(Condition::new(key, wanted).into_iter().flatten().flat_map(|c| c.group_names()));
        }
    }
    let rewrites = config.rule.iter().flat_map(|rule| &rule.rewrite).chain(config.rewrite);
    for text in rewrites {
        groups.extend(Rewrite::parse(text).into_iter().flat_map(|rewrite| rewrite.group_names()));
    }
    for name in groups {
        // A name that is not allowed is reported where it is used.
        let _ = names.define(&name, Needs::VISITOR.and(Needs::WHOLE));
    }
}

#[cfg(test)]
mod tests;
