//! `sticky`: a visitor stays with one server of an `upstream`.

use nginx_conf::{Directive, values};

use crate::ledger::Ledger;
use crate::limits::time;
use crate::settings::{Table, Value};

/// Sets `sticky` of a pool. `upstream` is the name of the block.
pub(crate) fn translate(directive: &Directive, upstream: &str, pool: &mut Table, ledger: &mut Ledger<'_>) {
    let parsed = match directive.arg(0) {
        Some("cookie") => cookie(directive, upstream),
        Some("learn") => learn(directive),
        Some(other) => Err(format!("`sticky {other}` is not there")),
        None => return,
    };
    match parsed {
        Ok(sticky) => pool.from("sticky", Value::Inline(sticky), &ledger.origin(directive)),
        Err(why) => ledger.not_done(directive, why, "write sticky cookie NAME, or hash"),
    }
}

fn cookie(directive: &Directive, upstream: &str) -> Result<Table, String> {
    let mut sticky = Table::default();
    sticky.set("cookie", directive.arg(1).unwrap_or_default(), "");
    // It hides which server it is, as nginx's hash does. All machines with this file have to have the same.
    sticky.set("key", format!("sticky cookie of upstream {upstream}"), "");
    let (mut path, mut same_site) = ("/".to_owned(), "");
    for word in directive.texts().skip(2) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match (name, value.to_ascii_lowercase().as_str()) {
            ("expires", "max") => sticky.set("expires", "3650d", ""),
            ("expires", text) => {
                let milliseconds =
                    values::milliseconds(text).ok_or_else(|| format!("`{word}` is no time"))?;
                sticky.set("expires", time(milliseconds), "");
            }
            ("domain", _) if !value.contains('$') => sticky.set("domain", value, ""),
            ("path", _) => path = value.to_owned(),
            ("secure", "") => sticky.set("secure", true, ""),
            ("httponly", "") => {}
            ("samesite", "strict") => same_site = "Strict",
            ("samesite", "lax") => same_site = "Lax",
            ("samesite", "none") => same_site = "None",
            _ => return Err(format!("the parameter `{word}` is not there")),
        }
    }
    sticky.set("path", path, "");
    sticky.set("same_site", same_site, "");
    Ok(sticky)
}

/// `learn create=$upstream_cookie_x lookup=$cookie_x zone=z:1m`
fn learn(directive: &Directive) -> Result<Table, String> {
    let mut sticky = Table::default();
    for word in directive.texts().skip(1) {
        match word.split_once('=') {
            Some(("create", value)) => {
                let name = value.strip_prefix("$upstream_cookie_");
                sticky.set(
                    "learn",
                    name.ok_or_else(|| format!("`{word}` is no cookie of the application"))?,
                    "",
                );
            }
            Some(("lookup", value)) if value.starts_with("$cookie_") => {}
            Some(("timeout", value)) => {
                let milliseconds =
                    values::milliseconds(value).ok_or_else(|| format!("`{word}` is no time"))?;
                sticky.set("timeout", time(milliseconds), "");
            }
            Some(("zone", _)) => {}
            _ => return Err(format!("the parameter `{word}` is not there")),
        }
    }
    if sticky.has("learn") { Ok(sticky) } else { Err("`create` is missing".to_owned()) }
}
