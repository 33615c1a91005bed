//! The directives of nginx's rewrite module, in their order: `set`, `rewrite`, `return`, `break`, `if`.

use nginx_conf::Directive;

use crate::branches::Branch;
use crate::ledger::Ledger;
use crate::regex;
use crate::settings::{Table, Value};
use crate::unnamed::BlockLocations;

/// Sets `return` where a place has nothing else, otherwise `rule`, one for each directive.
pub(crate) fn translate<'a>(
    directives: &'a [Directive],
    unnamed: &BlockLocations,
    table: &mut Table,
    ledger: &mut Ledger<'_>,
) -> Vec<Branch<'a>> {
    let is_rule =
        |directive: &&Directive| matches!(directive.name(), "set" | "rewrite" | "return" | "break" | "if");
    let found: Vec<_> = directives.iter().filter(is_rule).collect();
    if let [only] = found.as_slice()
        && unnamed.is_empty()
        && only.name() == "return"
        && let Some(text) = answer(only, ledger)
    {
        table.from("return", text, &ledger.origin(only));
        return Vec::new();
    }
    let mut branches = Vec::new();
    let mut rules = Vec::new();
    for directive in directives.iter().filter(|directive| directive.name() == "limit_except") {
        rules.extend(unnamed.of(directive).map(|name| other_methods(directive, name)));
    }
    for directive in found {
        let origin = ledger.origin(directive).to_string();
        if directive.name() == "if" {
            let branch = Branch::of(directive);
            rules.extend(conditional(directive, branch.as_ref(), unnamed, ledger));
            branches.extend(branch);
            continue;
        }
        let mut rule = Rule::default();
        if rule.add(directive, ledger) {
            let mut rule = rule.into_table(None);
            rule.remark = Some(origin);
            rules.push(rule);
        }
    }
    if !rules.is_empty() {
        table.set("rule", Value::Sections(rules), "");
    }
    branches
}

/// `if (condition) { … }`: one rule, or several where its lines are not in the order that a rule has.
fn conditional(
    directive: &Directive,
    branch: Option<&Branch<'_>>,
    unnamed: &BlockLocations,
    ledger: &mut Ledger<'_>,
) -> Vec<Table> {
    let (key, wanted) = match condition(directive) {
        Ok(condition) => condition,
        Err(why) => {
            ledger.not_done(directive, why, "");
            return Vec::new();
        }
    };
    let mut rules: Vec<Rule> = Vec::new();
    let own = unnamed.of(directive);
    if !unnamed.is_empty() {
        // As in nginx, the last `if` that holds has the request, and forgets those before it.
        rules.push(Rule { location: Some(own.unwrap_or_default().to_owned()), ..Rule::default() });
    }
    if let Some(branch) = branch {
        let mut first = Rule::default();
        first.set.set(&branch.variable, "1", "");
        rules.push(first);
    }
    for line in directive.children().iter().filter(|line| line.name() != "add_header") {
        if !matches!(line.name(), "set" | "rewrite" | "return" | "break") {
            if own.is_some() {
                continue;
            }
            let why = "within `if` of a server only return, rewrite, set and break are done";
            ledger.not_done(line, why, "write a location for it, or a map");
            continue;
        }
        let mut rule = match rules.pop() {
            Some(rule) if rule.takes(line.name()) => rule,
            before => {
                rules.extend(before);
                Rule::default()
            }
        };
        rule.add(line, ledger);
        rules.push(rule);
    }
    let origin = ledger.origin(directive);
    let table = |rule: Rule| {
        let mut when = Table::default();
        when.set(&key, wanted.clone(), "");
        let mut table = rule.into_table(Some(when));
        table.remark = Some(format!("{origin}: if {}", directive.texts().collect::<Vec<_>>().join(" ")));
        table
    };
    rules.into_iter().filter(|rule| !rule.is_empty()).map(table).collect()
}

/// `limit_except`: other methods are answered elsewhere, and the rules of the place are not for them.
fn other_methods(directive: &Directive, name: &str) -> Table {
    let mut methods: Vec<&str> = directive.texts().collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    let mut when = Table::default();
    when.set("$request_method", format!("!~ ^(?:{})$", methods.join("|")), "");
    let rule = Rule { location: Some(name.to_owned()), ends: true, ..Rule::default() };
    rule.into_table(Some(when))
}

/// What a rule does, in the order in which Weir does it.
#[derive(Debug, Default)]
struct Rule {
    set: Table,
    location: Option<String>,
    rewrite: Vec<String>,
    answer: Option<String>,
    ends: bool,
}

impl Rule {
    fn is_empty(&self) -> bool {
        self.set.is_empty()
            && self.location.is_none()
            && self.rewrite.is_empty()
            && self.answer.is_none()
            && !self.ends
    }

    /// Whether a further line keeps the order: set, rewrite, return, break.
    fn takes(&self, name: &str) -> bool {
        match name {
            "set" => {
                self.location.is_none() && self.rewrite.is_empty() && self.answer.is_none() && !self.ends
            }
            "rewrite" => self.answer.is_none() && !self.ends,
            _ => !self.ends,
        }
    }

    fn add(&mut self, directive: &Directive, ledger: &mut Ledger<'_>) -> bool {
        ledger.done(directive);
        match directive.name() {
            "set" => {
                let name = directive.arg(0).unwrap_or_default().trim_start_matches('$');
                self.set.set(name, directive.arg(1).unwrap_or_default(), "");
            }
            "rewrite" => self.rewrite.push(rewrite(directive)),
            "return" => self.answer = answer(directive, ledger),
            _ => self.ends = true,
        }
        !self.is_empty()
    }

    fn into_table(self, when: Option<Table>) -> Table {
        let mut table = Table::default();
        if let Some(when) = when {
            table.set("when", Value::Inline(when), "");
        }
        if !self.set.is_empty() {
            table.set("set", Value::Inline(self.set), "");
        }
        if let Some(location) = self.location {
            table.set("location", location, "");
        }
        if !self.rewrite.is_empty() {
            table.set("rewrite", self.rewrite, "");
        }
        if let Some(answer) = self.answer {
            table.set("return", answer, "");
        }
        if self.ends {
            table.set("break", true, "");
        }
        table
    }
}

/// "REGEX REPLACEMENT FLAG": a space in the regex would end it.
fn rewrite(directive: &Directive) -> String {
    let regex = regex::translated(directive.arg(0).unwrap_or_default()).replace(' ', "\\x20");
    let replacement = directive.arg(1).unwrap_or_default().replace(' ', "%20");
    let flag = directive.arg(2).map(|flag| format!(" {flag}")).unwrap_or_default();
    format!("{regex} {replacement}{flag}")
}

/// `return 404`, `return 200 text`, `return https://…`.
fn answer(directive: &Directive, ledger: &mut Ledger<'_>) -> Option<String> {
    ledger.done(directive);
    let first = directive.arg(0)?;
    let text = match directive.arg(1) {
        Some(text) => format!("{first} {text}"),
        None => first.to_owned(),
    };
    let status = first.parse::<u16>().ok();
    let is_url = ["http://", "https://", "$scheme", "/"].iter().any(|begin| first.starts_with(begin));
    if !is_url && !status.is_some_and(|status| (200..600).contains(&status)) {
        ledger.not_done(directive, format!("`{first}` is no status from 200 to 599"), "");
        return None;
    }
    if directive.arg(1).is_none() && matches!(status, Some(301 | 302 | 303 | 307 | 308)) {
        ledger.not_done(directive, "a redirect needs a URL", "write one behind the status");
        return None;
    }
    Some(text)
}

/// What `( … )` asks, as a key of `when` and its value.
fn condition(directive: &Directive) -> Result<(String, Value), String> {
    let mut words: Vec<&str> = directive.texts().collect();
    match words.first_mut() {
        Some(first) if first.starts_with('(') => *first = first.strip_prefix('(').unwrap_or_default(),
        _ => return Err("a condition stands in brackets".to_owned()),
    }
    match words.last_mut() {
        Some(last) if last.ends_with(')') => *last = last.strip_suffix(')').unwrap_or_default(),
        _ => return Err("the condition's closing bracket is missing".to_owned()),
    }
    words.retain(|word| !word.is_empty());
    // Whether there is TLS is all that is known of it.
    if let [variable, "=" | "!=", rest @ ..] = words.as_mut_slice()
        && *variable == "$ssl_protocol"
        && rest.iter().all(|word| word.is_empty())
    {
        *variable = "$https";
    }
    // `($x = "")` leaves no word behind the sign.
    let text = words.get(2).copied().unwrap_or_default();
    match words.as_slice() {
        [variable] if variable.starts_with('$') => Ok(((*variable).to_owned(), true.into())),
        [test, path] if test.trim_start_matches('!').starts_with('-') => {
            let not = if test.starts_with('!') { "!" } else { "" };
            let key = match test.trim_start_matches('!') {
                "-f" => "file",
                "-d" => "directory",
                "-e" => "exists",
                other => return Err(format!("the test {other} is not there")),
            };
            Ok((key.to_owned(), format!("{not}{path}").into()))
        }
        [variable, sign, ..] if variable.starts_with('$') && words.len() <= 3 => {
            let wanted = match *sign {
                "=" => text.to_owned(),
                "!=" => format!("!{text}"),
                "~" | "~*" | "!~" | "!~*" => format!("{sign} {}", regex::translated(text)),
                other => return Err(format!("`{other}` is no comparison")),
            };
            Ok(((*variable).to_owned(), wanted.into()))
        }
        _ => Err(format!("the condition `{}` cannot be read", words.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use nginx_conf::parse;

    use super::*;

    fn translated(text: &str) -> String {
        let parsed = parse("a", text.as_bytes(), &mut |_| Ok(Vec::new()));
        assert!(parsed.mistakes.is_empty(), "{text}");
        let mut table = Table::default();
        let branches =
            translate(&parsed.directives, &BlockLocations::default(), &mut table, &mut Ledger::new(&parsed));
        assert!(branches.is_empty(), "{text}");
        table
            .to_toml()
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_return_alone_is_a_key() {
        assert_eq!(
            translated("return 301 https://$host$request_uri;"),
            "return = \"301 https://$host$request_uri\"  # a:1"
        );
        assert_eq!(translated("return 200 'a\\n';"), "return = \"200 a\\n\"  # a:1");
    }

    #[test]
    fn conditions_are_those_of_when() {
        let cases = [
            ("($host = www.a)", "\"$host\" = \"www.a\""),
            ("($x = \"\")", "\"$x\" = \"\""),
            ("($x != 'b c')", "\"$x\" = \"!b c\""),
            ("($http_user_agent ~* (a|b))", "\"$http_user_agent\" = \"~* (a|b)\""),
            ("($uri !~ ^/x)", "\"$uri\" = \"!~ ^/x\""),
            ("($x)", "\"$x\" = true"),
            ("($ssl_protocol = \"\")", "\"$https\" = \"\""),
            ("( $x )", "\"$x\" = true"),
            ("(-f /srv/on)", "file = \"/srv/on\""),
            ("(!-d $document_root/x)", "directory = \"!$document_root/x\""),
            ("(!-e $request_filename)", "exists = \"!$request_filename\""),
        ];
        for (condition, expected) in cases {
            let expected = format!("[[rule]]\nwhen = {{ {expected} }}\nbreak = true");
            assert_eq!(translated(&format!("if {condition} {{ break; }}")), expected, "{condition}");
        }
    }

    #[test]
    fn lines_keep_their_order() {
        let text =
            "set $a 1; rewrite ^/x$ /y last; if ($a) { rewrite a /b; set $b 2; return 404; } return 410;";
        let expected = "[[rule]]\nset = { a = \"1\" }\n[[rule]]\nrewrite = [\"^/x$ /y last\"]\n\
                        [[rule]]\nwhen = { \"$a\" = true }\nrewrite = [\"a /b\"]\n\
                        [[rule]]\nwhen = { \"$a\" = true }\nset = { b = \"2\" }\nreturn = \"404\"\n\
                        [[rule]]\nreturn = \"410\"";
        assert_eq!(translated(text), expected);
    }
}
