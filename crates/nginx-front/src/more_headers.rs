//! `more_set_headers` and its like, of the module headers-more: fields that are set or removed, whatever the
//! status.

use nginx_conf::Directive;

use crate::ledger::Origin;
use crate::scope::Scope;
use crate::settings::Table;
use crate::translate::Translator;

/// What is set in replies, and removed from them, as elements of `reply_fields`.
pub(crate) fn of_reply(translator: &mut Translator<'_>, scope: &Scope<'_>) -> Vec<(Origin, Table)> {
    let mut fields = Vec::new();
    for directive in scope.every(&["more_set_headers", "more_clear_headers"]) {
        let origin = translator.ledger.origin(directive);
        let clears = directive.name() == "more_clear_headers";
        let Some((statuses, texts)) = arguments(translator, directive) else { continue };
        for text in texts {
            let (name, value) = name_and_value(&text);
            let mut field = Table::default();
            // As in the module, a field that is set to nothing is removed.
            if clears || value.is_empty() {
                field.set("remove", name, "");
            } else {
                field.set("set", name, "");
                field.set("value", value, "");
                if statuses.is_empty() {
                    field.set("always", true, "");
                }
            }
            if !statuses.is_empty() {
                field.set("status", statuses.clone(), "");
            }
            fields.push((origin.clone(), field));
        }
    }
    fields
}

/// What is set in requests to the application, and removed from them (an empty value).
pub(crate) fn of_request(translator: &mut Translator<'_>, scope: &Scope<'_>) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for directive in scope.every(&["more_set_input_headers", "more_clear_input_headers"]) {
        let clears = directive.name() == "more_clear_input_headers";
        let Some((_, texts)) = arguments(translator, directive) else { continue };
        for text in texts {
            let (name, value) = name_and_value(&text);
            let value = if clears { "" } else { value };
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields
}

/// The statuses that `-s` names, and the fields. `None`: something is not done.
fn arguments(translator: &mut Translator<'_>, directive: &Directive) -> Option<(Vec<String>, Vec<String>)> {
    let (mut statuses, mut texts) = (Vec::new(), Vec::new());
    let mut words = directive.texts();
    while let Some(word) = words.next() {
        match word {
            "-s" => statuses.extend(words.next().unwrap_or_default().split_whitespace().map(str::to_owned)),
            // Only what is there is changed; a field that is not there is none to remove.
            "-r" if directive.name() == "more_clear_headers" => {}
            flag if flag.starts_with('-') && flag.len() == 2 => {
                let why = format!("`{flag}` is not there");
                translator.ledger.not_done(directive, why, "name the fields, and statuses by -s");
                return None;
            }
            text if text.contains('*') => {
                let why = format!("`{text}` stands for several fields");
                translator.ledger.not_done(directive, why, "name each of them");
                return None;
            }
            text => texts.push(text.to_owned()),
        }
    }
    Some((statuses, texts))
}

fn name_and_value(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    (name.trim(), value.trim())
}
