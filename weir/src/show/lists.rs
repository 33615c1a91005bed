//! The built-in lists of cookies and request fields, and which query parameters count.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use http_cache::policy::{cookies, fields};
use http_cache::{CookieClass, FieldClass};
use serde_json::{Map, json};

use super::setting::ShownSetting;
use crate::cli::ShowArgs;
use crate::plane::USUAL_FILE;

/// The settings that choose among query parameters.
const QUERY: [&str; 3] = [".cache.ignore_query", ".cache.allow_query", ".cache.sort_query"];

/// One class of names.
struct NameList {
    word: &'static str,
    meaning: &'static str,
    names: &'static [&'static str],
}

pub(super) fn fields(json: bool) -> Result<ExitCode> {
    let lists = fields::defaults::LISTS.iter().map(|(class, names)| {
        let (word, meaning) = of_field(*class);
        NameList { word, meaning, names }
    });
    print(lists, json)
}

pub(super) fn cookies(json: bool) -> Result<ExitCode> {
    let lists = cookies::defaults::LISTS.iter().map(|(class, names)| {
        let (word, meaning) = of_cookie(*class);
        NameList { word, meaning, names }
    });
    print(lists, json)
}

/// No list is built in: what a location ignores is what the settings say.
pub(super) fn query(args: &ShowArgs) -> Result<ExitCode> {
    let has_settings =
        args.config.is_some() || !args.serve.is_empty() || std::path::Path::new(USUAL_FILE).exists();
    let set: Vec<ShownSetting> = match has_settings {
        true => match super::load(args)? {
            Ok(all) => all,
            Err(mistakes) => {
                eprint!("{mistakes}");
                return Ok(ExitCode::FAILURE);
            }
        },
        false => Vec::new(),
    };
    let set: Vec<_> =
        set.iter().filter(|setting| QUERY.iter().any(|end| setting.path.ends_with(end))).collect();
    let mut out = io::stdout().lock();
    if args.json {
        let list: Vec<_> = set.iter().map(|setting| setting.json()).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "ignored": [], "settings": list }))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "no parameter is ignored by itself: each is part of the key, and the application sees it.\n\
         ignore_query of a location's cache ignores some (\"utm_*\", \"fbclid\", \"gclid\"), allow_query all others"
    )?;
    let width = set.iter().map(|setting| setting.width()).max().unwrap_or_default();
    for setting in set {
        write!(out, "  ")?;
        setting.write(&mut out, width)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of_field(class: FieldClass) -> (&'static str, &'static str) {
    match class {
        FieldClass::Personal => (
            "personal",
            "the request goes straight to the application (so does one with a field that no list knows)",
        ),
        FieldClass::Split => ("split", "part of the key, one variant of the page per value"),
        FieldClass::Vary => {
            ("vary", "the application sees it, and names it in Vary if the page depends on it")
        }
        FieldClass::Ignore => ("ignored", "the application does not see it while it makes a shared page"),
    }
}

fn of_cookie(class: CookieClass) -> (&'static str, &'static str) {
    match class {
        CookieClass::Personal => (
            "personal",
            "its visitor gets only pages that say they may be shared (so does one with a cookie that no list \
             knows)",
        ),
        CookieClass::Split => ("split", "part of the key, one variant of the page per value"),
        CookieClass::Ignore => ("ignored", "the application does not see it while it makes a shared page"),
    }
}

fn print(lists: impl Iterator<Item = NameList>, as_json: bool) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    if as_json {
        let object: Map<_, _> = lists.map(|list| (list.word.to_owned(), json!(list.names))).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for NameList { word, meaning, names } in lists {
        writeln!(out, "{word}: {meaning}")?;
        for name in names {
            writeln!(out, "  {name}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
