//! What nginx says of directives before it looks at their meaning: unknown, not allowed here, the wrong
//! number of arguments, a block too much or too few.

use std::collections::HashSet;

use crate::known::{self, Contexts, Form, Kind};
use crate::mistake::Mistake;
use crate::parse::SyntaxTree;
use crate::tree::Directive;
use crate::values;

/// nginx's bound of arguments, the name included, where the form names a number of them.
const MOST_WORDS: usize = 8;
/// More mistakes than this are of no use to a reader.
const MOST_MISTAKES: usize = 100;

/// Checks each directive, the outermost standing in `context`. `foreign` are names that other modules bring:
/// they may stand anywhere. What [`crate::parse`] has found is in the result too, in the order of reading, so
/// that the first is the one that nginx would stop at.
pub fn check(parsed: &SyntaxTree, context: Contexts, foreign: &dyn Fn(&str) -> bool) -> Vec<Mistake> {
    let mut checker = Checker { parsed, foreign, mistakes: parsed.mistakes.clone() };
    checker.all(&parsed.directives, Some(context));
    let mut mistakes = checker.mistakes;
    mistakes.sort_by_key(|mistake| mistake.order);
    mistakes.truncate(MOST_MISTAKES);
    mistakes
}

struct Checker<'a> {
    parsed: &'a SyntaxTree,
    foreign: &'a dyn Fn(&str) -> bool,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    /// `context`: `None` in a block of lines such as `types` or `map`.
    fn all(&mut self, directives: &[Directive], context: Option<Contexts>) {
        let mut seen = HashSet::new();
        for directive in directives {
            let Some(context) = context else {
                if directive.block.is_some() {
                    self.push(directive, "unexpected \"{\"".into(), None);
                }
                continue;
            };
            self.one(directive, context, &mut seen);
            if (self.foreign)(directive.name()) {
                continue;
            }
            self.all(directive.children(), context.inside(directive.name()));
        }
    }

    /// `seen`: the directives of this block that may not come twice.
    fn one<'d>(&mut self, directive: &'d Directive, context: Contexts, seen: &mut HashSet<&'d str>) {
        let name = directive.name();
        let forms = known::forms(name);
        if forms.is_empty() {
            if !(self.foreign)(name) {
                let hint = known::nearest(name).map(|nearest| format!("did you mean `{nearest}`?"));
                self.push(directive, format!("unknown directive \"{name}\""), hint);
            }
            return;
        }
        let here: Vec<&Form> = forms.iter().filter(|form| form.contexts.holds(context)).collect();
        let Some(first) = here.first() else {
            let mut places: Vec<_> = forms.iter().map(|form| form.contexts.listed()).collect();
            places.dedup();
            let hint = format!("it may stand in: {}", places.join(", "));
            self.push(directive, format!("\"{name}\" directive is not allowed here"), Some(hint));
            return;
        };
        let has_block = directive.block.is_some();
        if has_block && !first.is_block {
            let text = format!("directive \"{name}\" is not terminated by \";\"");
            return self.push(directive, text, None);
        }
        if !has_block && first.is_block {
            return self.push(directive, format!("directive \"{name}\" has no opening \"{{\""), None);
        }
        if !here.iter().any(|form| form.takes(directive.args.len())) {
            let text = format!("invalid number of arguments in \"{name}\" directive");
            return self.push(directive, text, self.missing_end(directive));
        }
        if first.kind == Kind::Free {
            return;
        }
        if !seen.insert(name) {
            let hint = "keep one of them".to_owned();
            return self.push(directive, format!("\"{name}\" directive is duplicate"), Some(hint));
        }
        if let Some(text) = wrong_value(first.kind, directive) {
            self.push(directive, text, None);
        }
    }

    /// Words on a later line than the directive's own, the first of which is a directive: a `;` is missing.
    fn missing_end(&self, directive: &Directive) -> Option<String> {
        let line = directive.place().line;
        let mut later = directive.args.iter().filter(|word| word.place.line > line && !word.quoted);
        let next = later.find(|word| known::is_known(&word.text))?;
        Some(format!("a \";\" is missing at the end of line {}", next.place.line.saturating_sub(1)))
    }

    fn push(&mut self, directive: &Directive, text: String, hint: Option<String>) {
        if self.mistakes.len() > 2 * MOST_MISTAKES {
            return;
        }
        let place = directive.place();
        self.mistakes.push(Mistake {
            file: self.parsed.file(place.file).map(str::to_owned),
            line: directive.end_line,
            column: place.column,
            text,
            hint,
            order: directive.order,
        });
    }
}

/// What nginx says of a value that is not of this kind.
fn wrong_value(kind: Kind, directive: &Directive) -> Option<String> {
    let (name, value) = (directive.name(), directive.arg(0)?);
    let is_flag = value.eq_ignore_ascii_case("on") || value.eq_ignore_ascii_case("off");
    let says = match kind {
        Kind::Flag if !is_flag => {
            let text = format!("invalid value \"{value}\" in \"{name}\" directive");
            return Some(format!("{text}, it must be \"on\" or \"off\""));
        }
        Kind::Number if values::number(value).is_none() => "invalid number",
        Kind::Time if values::milliseconds(value).is_none() => "invalid value",
        Kind::Seconds if values::seconds(value).is_none() => "invalid value",
        Kind::Size if values::size(value).is_none() => "invalid value",
        Kind::Offset if values::offset(value).is_none() => "invalid value",
        Kind::Buffers => {
            let count = values::number(value).filter(|count| *count > 0);
            let size = values::size(directive.arg(1)?).filter(|size| *size > 0);
            if count.is_some() && size.is_some() {
                return None;
            }
            "invalid value"
        }
        _ => return None,
    };
    Some(format!("\"{name}\" directive {says}"))
}

impl Form {
    fn takes(&self, count: usize) -> bool {
        let (from, to) = self.arguments;
        (from..=to).contains(&count) && (to == usize::MAX || count < MOST_WORDS)
    }
}
