//! `add_header` within `if`: fields that a reply has where the condition held, in place of all others.
//!
//! A rule sets a variable where its condition holds; each field's value is a `map` of these variables.

use nginx_conf::Directive;

use crate::fields;
use crate::settings::{Table, Value};
use crate::translate::Translator;

/// An `if` that has fields of its own.
pub(crate) struct Branch<'a> {
    directive: &'a Directive,
    /// Is `1` where the condition held.
    pub(crate) variable: String,
}

impl<'a> Branch<'a> {
    pub(crate) fn of(directive: &'a Directive) -> Option<Self> {
        let has_fields = directive.children().iter().any(|line| line.name() == "add_header");
        (has_fields && !says_more(directive))
            .then(|| Self { directive, variable: format!("if_{}", directive.order) })
    }

    fn fields(&self) -> impl Iterator<Item = &'a Directive> {
        self.directive.children().iter().filter(|line| line.name() == "add_header")
    }
}

/// Whether an `if` has lines that neither rules nor maps can say.
pub(crate) fn says_more(block: &Directive) -> bool {
    let is_plain = |name: &str| matches!(name, "set" | "rewrite" | "return" | "break" | "add_header");
    block.children().iter().any(|line| !is_plain(line.name()))
}

/// Makes the fields of a place depend on its branches.
pub(crate) fn apply(translator: &mut Translator<'_>, branches: &[Branch<'_>], place: &mut Table) {
    if branches.is_empty() {
        return;
    }
    let mut fields = match place.get("reply_fields") {
        Some(Value::List(fields)) => fields.clone(),
        _ => Vec::new(),
    };
    let all: String = branches.iter().map(|branch| format!("${{{}}}", branch.variable)).collect();
    let mut maps = Maps { made: Vec::new(), name: place_name(branches) };
    for field in &mut fields {
        if let Value::Inline(table) = field
            && let Some(Value::Text(value)) = table.get("value").cloned()
        {
            table.set("value", maps.variable(&all, "", &value), "");
        }
    }
    for branch in branches {
        for directive in branch.fields() {
            let (Some(name), Some(value)) = (directive.arg(0), directive.arg(1)) else { continue };
            if fields::is_framing(translator, directive, name) {
                continue;
            }
            let mut field = Table::default();
            field.set("add", name, "");
            field.set("value", maps.variable(&format!("${}", branch.variable), "1", value.trim_end()), "");
            if directive.arg(2) == Some("always") {
                field.set("always", true, "");
            }
            fields.push(Value::Inline(field));
        }
    }
    place.set("reply_fields", Value::List(fields), "some of them within if");
    translator.maps.extend(maps.made);
}

fn place_name(branches: &[Branch<'_>]) -> String {
    branches.first().map(|branch| branch.variable.clone()).unwrap_or_default()
}

struct Maps {
    made: Vec<Table>,
    name: String,
}

impl Maps {
    /// A variable with this value where `from` is `key`, and with none otherwise.
    fn variable(&mut self, from: &str, key: &str, value: &str) -> String {
        let name = format!("{}_field_{}", self.name, self.made.len() + 1);
        let mut map = Table::new(None);
        map.set("variable", name.as_str(), "");
        map.set("from", from, "");
        map.set("cases", Value::List(vec![Value::List(vec![key.into(), value.into()])]), "");
        self.made.push(map);
        format!("${name}")
    }
}
