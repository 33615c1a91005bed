//! How types are called: a type's name ends in a noun. A participle (`Loaded`) or a word such as `Then`
//! leaves open what it holds.

use std::fs;

use weir_tests::repository;

use crate::{members, sources};

/// Nouns that end as participles do.
const NOUNS: &[&str] = &["coding", "framing", "listing", "reading", "ring", "setting"];
/// Participles that do not end in "ed" or "ing". All participles may stand before a noun: `SentBytes`.
const PARTICIPLES: &[&str] = &[
    "begun",
    "bound",
    "broken",
    "built",
    "chosen",
    "done",
    "forgotten",
    "found",
    "given",
    "gone",
    "heard",
    "held",
    "hidden",
    "kept",
    "known",
    "led",
    "left",
    "lost",
    "made",
    "met",
    "said",
    "seen",
    "sent",
    "shown",
    "taken",
    "told",
    "written",
];
/// Words that say nothing of the content.
const VAGUE: &[&str] = &[
    "after",
    "again",
    "all",
    "anybody",
    "around",
    "away",
    "besides",
    "by",
    "elsewhere",
    "here",
    "instead",
    "must",
    "nothing",
    "of",
    "off",
    "on",
    "otherwise",
    "own",
    "stuff",
    "then",
    "there",
    "thing",
    "why",
    "world",
    "wrong",
];
/// Words that need another beside them.
const BARE: &[&str] = &[
    "active", "current", "first", "good", "idle", "incoming", "inner", "last", "look", "next", "open",
    "outer", "outgoing", "read", "rest", "same", "way",
];

#[test]
fn types_are_called_by_nouns() {
    let mut faults = Vec::new();
    for member in members() {
        for file in sources(&repository().join(&member)) {
            let text = fs::read_to_string(&file).unwrap();
            for (at, name) in types(&text) {
                if let Some(fault) = fault(name) {
                    let file = file.strip_prefix(repository()).unwrap();
                    faults.push(format!("{}:{at}: the type {name} {fault}", file.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "name the content, in the field's words:\n{}", faults.join("\n"));
}

/// The types that a text defines, with their lines.
fn types(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, type_name(line)?)))
}

fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let (kind, rest) = line.split_once(' ')?;
    let end = rest.find(|char: char| !char.is_alphanumeric()).unwrap_or(rest.len());
    let name = &rest[..end];
    let defines = ["struct", "enum", "union", "trait", "type"].contains(&kind);
    (defines && name.starts_with(|char: char| char.is_ascii_uppercase())).then_some(name)
}

/// What is wrong with the name of a type.
fn fault(name: &str) -> Option<&'static str> {
    let start = name.rfind(|char: char| char.is_ascii_uppercase())?;
    let last = name[start..].to_ascii_lowercase();
    let is = |words: &[&str]| words.contains(&last.as_str());
    if !is(NOUNS) && (is(PARTICIPLES) || last.ends_with("ed") || last.ends_with("ing")) {
        return Some("ends in a participle");
    }
    if is(VAGUE) || start == 0 && is(BARE) {
        return Some("says nothing of what is inside");
    }
    None
}

#[test]
fn participles_and_vague_words_are_told_from_nouns() {
    for (line, name, wrong) in [
        ("struct Admitted;", "Admitted", true),
        ("    pub(in crate::pool) enum Unpacking {", "Unpacking", true),
        ("pub struct StreamBroken(u8);", "StreamBroken", true),
        ("pub(crate) type TurnedAway = u8;", "TurnedAway", true),
        ("enum Then {", "Then", true),
        ("trait Next {", "Next", true),
        ("pub enum ContentCoding {", "ContentCoding", false),
        ("pub(super) struct NextStep<'a> {", "NextStep", false),
        ("struct ExplainedStep {", "ExplainedStep", false),
        ("    type Field = (String, String);", "Field", false),
    ] {
        assert_eq!(type_name(line), Some(name));
        assert_eq!(fault(name).is_some(), wrong, "{name}: {:?}", fault(name));
    }
    for line in ["    struct_of: Sent,", "// enum Sent", "let kind = Sent;", "pub fn sent() {}"] {
        assert_eq!(type_name(line), None, "{line}");
    }
}
