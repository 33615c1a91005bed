//! `--lenient`: starts without what Weir's settings refuse, as far as nobody sees more for it. Without the
//! flag this is for what nginx finds out only while it serves.

use toml::{Table, Value};

use crate::settings::{self, ServiceSettings};

/// Leaving out one thing may uncover another mistake; after this many rounds the file does not start.
const MOST_ROUNDS: usize = 50;

/// Settings without what was refused.
pub(super) struct LenientSettings {
    pub(super) loaded: ServiceSettings,
    /// The mistakes that led to something being left out, each in one line.
    pub(super) without: Vec<String>,
}

/// Takes out of the settings what the mistakes name, until the rest can run. `None`: that is not possible.
pub(super) fn load(toml: &str, mistakes: &str) -> Option<LenientSettings> {
    let mut table: Table = toml.parse().ok()?;
    let mut without = Vec::new();
    let mut mistakes = mistakes.to_owned();
    for _ in 0..MOST_ROUNDS {
        // The last elements of a list first, so that the others keep their numbers.
        let mut lines: Vec<&str> = mistakes.lines().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(path_and_text(line).map(|(path, _)| steps(path))));
        let known = without.len();
        for line in lines {
            // `and 3 more` names nothing: these come in the next round.
            let Some((path, text)) = path_and_text(line) else { continue };
            if take_out(&mut table, &steps(path), text) {
                without.push(line.to_owned());
            }
        }
        if without.len() == known {
            return None;
        }
        match settings::load_text("nginx.conf", &toml::to_string(&table).ok()?) {
            Ok(loaded) => return Some(LenientSettings { loaded, without }),
            Err(left) => mistakes = left.to_string(),
        }
    }
    None
}

/// `nginx.conf:12: edge.site[0].return: text` without the line.
fn path_and_text(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("nginx.conf:")?;
    let rest = match rest.split_once(": ") {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => rest.trim_start(),
    };
    rest.split_once(": ")
}

/// A key, or a place in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Element(usize),
}

/// `edge.site[0].return` as steps.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, indexes) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        steps.push(Step::Key(key.to_owned()));
        let numbers = indexes.split(['[', ']']).filter_map(|number| number.parse().ok());
        steps.extend(numbers.map(Step::Element));
    }
    steps
}

/// Keys that guard something: without them, more would be seen.
const GUARDS: [&str; 10] = [
    "access",
    "auth_basic",
    "auth_request",
    "client",
    "internal",
    "limit_conn",
    "limit_except",
    "limit_req",
    "satisfy",
    "secure_link",
];
/// nginx's directives for them: a file in which one of these is not done starts in no case.
const GUARDING: [&str; 10] = [
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "auth_request",
    "deny",
    "internal",
    "limit_except",
    "satisfy",
    "ssl_verify_client",
    "valid_referers",
];

/// Without this directive, more would be seen.
pub(super) fn decides_who_may_ask(directive: &str) -> bool {
    GUARDING.contains(&directive) || directive.starts_with("secure_link")
}

/// Lists whose elements stand for one directive each.
const LISTS: [&str; 11] = [
    "logs",
    "reply_fields",
    "request_fields",
    "rule",
    "rewrite",
    "cases",
    "networks",
    "location",
    "server_name",
    "map",
    "set",
];

/// Whether a mistake is one that nginx finds out only when somebody asks: a list of passwords that is not
/// there, which lets nobody in.
pub(super) fn shows_when_asked(mistake: &str) -> bool {
    path_and_text(mistake).is_some_and(|(path, text)| is_missing_list(&steps(path), text))
}

fn is_missing_list(steps: &[Step], text: &str) -> bool {
    let key = |step: Option<&Step>, name: &str| step == Some(&Step::Key(name.to_owned()));
    let mut from_end = steps.iter().rev();
    key(from_end.next(), "file") && key(from_end.next(), "auth_basic") && text.contains("cannot be read")
}

/// Lets nobody in where the passwords are missing, but those whose address is enough.
fn close(table: &mut Table, steps: &[Step]) -> bool {
    let place = steps.len().checked_sub(2).and_then(|end| steps.get(..end));
    let Some(Value::Table(place)) = place.and_then(|place| value_at(table, place)) else { return false };
    let is_enough = place.remove("satisfy").is_some_and(|value| value.as_str() == Some("any"));
    let mut rules = match place.remove("access") {
        Some(Value::Array(rules)) if is_enough => rules,
        _ => Vec::new(),
    };
    rules.push("deny all".into());
    place.insert("access".to_owned(), Value::Array(rules));
    place.insert("auth_basic".to_owned(), Value::Boolean(false));
    true
}

/// Whether it is in the location of a `limit_except`, or leads to one: without it, other methods would be
/// answered as if nothing were said of them.
fn is_for_other_methods(table: &mut Table, steps: &[Step], text: &str) -> bool {
    const NAME: &str = "@limit_except-";
    let is_one =
        |value: &Value| value.get("match").and_then(Value::as_str).is_some_and(|name| name.starts_with(NAME));
    for end in 1..=steps.len() {
        let front = steps.get(..end).unwrap_or_default();
        if value_at(table, front).is_some_and(|value| is_one(value)) {
            return true;
        }
    }
    text.contains(NAME)
}

/// Whether what a mistake names could be taken out.
fn take_out(table: &mut Table, steps: &[Step], text: &str) -> bool {
    if is_missing_list(steps, text) {
        return close(table, steps);
    }
    let guards = |step: &Step| matches!(step, Step::Key(key) if GUARDS.contains(&key.as_str()));
    if steps.iter().any(guards) || is_for_other_methods(table, steps, text) {
        return false;
    }
    let variable = text.strip_prefix("there is no variable `$").and_then(|rest| rest.split('`').next());
    if let Some(name) = variable
        && let Some(value) = value_at(table, steps)
        && blank(value, name)
    {
        return true;
    }
    // The element of the innermost list that stands for a directive, or the key itself.
    let in_list = (1..steps.len()).rev().find(|at| {
        let named = |step: &Step| matches!(step, Step::Key(key) if LISTS.contains(&key.as_str()));
        matches!(steps.get(*at), Some(Step::Element(_))) && steps.get(at - 1).is_some_and(named)
    });
    let is_key_of_place = |at: usize| matches!(steps.get(at - 1), Some(Step::Key(key)) if key == "location");
    let end = match in_list {
        // What a location says is taken out alone.
        Some(at) if is_key_of_place(at) && steps.len() > at + 1 => steps.len(),
        Some(at) => at + 1,
        None => steps.len(),
    };
    let Some((last, around)) = steps.get(..end).and_then(<[Step]>::split_last) else { return false };
    if *last == Step::Key("match".to_owned()) {
        return take_out(table, around, "");
    }
    // Sites, listeners and pools are not taken out as a whole.
    if around.len() < 3 {
        return false;
    }
    match (value_at(table, around), last) {
        (Some(Value::Table(table)), Step::Key(key)) => table.remove(key).is_some(),
        (Some(Value::Array(list)), Step::Element(at)) if *at < list.len() => {
            list.remove(*at);
            true
        }
        _ => false,
    }
}

fn value_at<'a>(table: &'a mut Table, steps: &[Step]) -> Option<&'a mut Value> {
    let (Step::Key(first), rest) = steps.split_first()? else { return None };
    rest.iter().try_fold(table.get_mut(first)?, |value, step| match (value, step) {
        (Value::Table(table), Step::Key(key)) => table.get_mut(key),
        (Value::Array(list), Step::Element(at)) => list.get_mut(*at),
        _ => None,
    })
}

/// Takes a variable that is not there out of a text: it is empty.
fn blank(value: &mut Value, name: &str) -> bool {
    let text = match value {
        Value::String(text) => text,
        Value::Array(list) => return blank_all(list.iter_mut(), name),
        Value::Table(table) => return blank_all(table.iter_mut().map(|(_, value)| value), name),
        _ => return false,
    };
    let mut left = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        left.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let length = after.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let (found, behind) = braced.unwrap_or_else(|| after.split_at(length));
        if !found.eq_ignore_ascii_case(name) {
            left.push('$');
            left.push_str(after.strip_suffix(behind).unwrap_or_default());
        }
        rest = behind;
    }
    left.push_str(rest);
    let changed = left != *text;
    *text = left;
    changed
}

fn blank_all<'a>(values: impl Iterator<Item = &'a mut Value>, name: &str) -> bool {
    let mut changed = false;
    for value in values {
        changed |= blank(value, name);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mistake_names_is_left_out() {
        let cases = [
            (
                "edge.site[0].location[1].return: there is no variable `$request_length`; did you mean …",
                "return = '200 $request_length$request ${request_length}x'",
                "return = \"200 $request x\"",
            ),
            (
                "edge.site[0].location[1].reply_fields[1].add: is Weir's own affair",
                "reply_fields = [{ add = 'A', value = '1' }, { add = 'Date', value = '2' }]",
                "[[edge.site.location.reply_fields]]\nadd = \"A\"\nvalue = \"1\"",
            ),
            ("edge.site[0].location[1].try_files: cannot be used", "try_files = ['a', '=404']", ""),
            (
                "edge.site[0].location[1].error_page.404: names no page",
                "error_page = { 404 = '' }",
                "[edge.site.location.error_page]",
            ),
            ("edge.site[0].location[1].match: invalid regular expression", "", "gone"),
            (
                "edge.site[0].location[1].auth_basic.file: /x cannot be read: No such file",
                "auth_basic = { }\nsatisfy = 'any'\naccess = ['allow 10.0.0.1']",
                "access = [\"allow 10.0.0.1\", \"deny all\"]\nauth_basic = false",
            ),
            ("edge.site[0].location[1].auth_basic.realm: is wrong", "auth_basic = false", "refused"),
            ("edge.listen[0]: is no address", "", "refused"),
        ];
        for (mistake, before, after) in cases {
            let text = format!(
                "[edge]\nlisten = [1]\n[[edge.site]]\n[[edge.site.location]]\nmatch = '/a'\n[[edge.site.location]]\nmatch = '/b'\n{before}"
            );
            let mut table: Table = text.parse().unwrap();
            let line = format!("nginx.conf:7: {mistake}");
            let (path, text) = path_and_text(&line).unwrap();
            let taken = take_out(&mut table, &steps(path), text);
            let written = toml::to_string(&table).unwrap();
            let place = written.rsplit_once("[[edge.site.location]]").map_or("", |(_, place)| place);
            let place = match place.contains("\"/b\"") {
                true => place.replace("match = \"/b\"\n", "").trim().replace("\n\n", "\n"),
                false => "gone".to_owned(),
            };
            let expected = if after == "refused" { before } else { after };
            assert_eq!(place, expected.trim(), "{mistake}");
            assert_eq!(taken, after != "refused", "{mistake}");
        }
    }
}
