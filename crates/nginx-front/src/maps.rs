//! `map`, `geo` and `split_clients` of `http`: variables that the edge defines.

use nginx_conf::Directive;

use crate::fields::is_upgrade_map;
use crate::ledger::Ledger;
use crate::referers;
use crate::regex;
use crate::scope::Scope;
use crate::settings::{Table, Value};
use crate::translate::Translator;

pub(crate) fn translate<'a>(translator: &mut Translator<'a>, http: &Scope<'a>, edge: &mut Table) {
    let (mut maps, mut geos, mut splits) = (Vec::new(), Vec::new(), Vec::new());
    for directive in http.own() {
        let name = directive.name();
        if !matches!(name, "map" | "geo" | "split_clients") || is_upgrade_map(directive) {
            continue;
        }
        match name {
            "map" => maps.push(map(directive, &mut translator.ledger)),
            "geo" => geos.push(geo(directive, &mut translator.ledger)),
            _ => splits.push(split(directive, &mut translator.ledger)),
        }
    }
    maps.extend(referers::maps(translator));
    maps.append(&mut translator.maps);
    for (key, tables) in [("map", maps), ("geo", geos), ("split", splits)] {
        if !tables.is_empty() {
            edge.set(key, Value::Sections(tables), "");
        }
    }
}

fn bare(variable: Option<&str>) -> &str {
    variable.unwrap_or_default().trim_start_matches('$')
}

fn map(directive: &Directive, ledger: &mut Ledger<'_>) -> Table {
    let mut table = Table::new(Some(ledger.origin(directive).to_string()));
    table.set("variable", bare(directive.arg(1)), "");
    table.set("from", directive.arg(0).unwrap_or_default(), "");
    let mut cases = Vec::new();
    for line in directive.children() {
        match (line.name(), line.arg(0)) {
            ("hostnames", None) => table.set("hostnames", true, ""),
            ("volatile", None) | ("include", _) => {}
            ("default", Some(value)) => table.set("default", value, ""),
            (key, Some(value)) => {
                let key = if key.starts_with('~') { regex::translated(key) } else { key.to_owned() };
                cases.push(Value::List(vec![key.into(), value.into()]));
            }
            (_, None) => ledger.not_done(line, "a line of a map has a value", ""),
        }
    }
    table.set("cases", Value::List(cases), "");
    table
}

fn geo(directive: &Directive, ledger: &mut Ledger<'_>) -> Table {
    let mut table = Table::new(Some(ledger.origin(directive).to_string()));
    match (directive.arg(0), directive.arg(1)) {
        (Some(from), Some(variable)) => {
            table.set("variable", bare(Some(variable)), "");
            table.set("from", from, "");
        }
        (variable, _) => table.set("variable", bare(variable), ""),
    }
    let (mut networks, mut proxies) = (Vec::new(), Vec::new());
    for line in directive.children() {
        match (line.name(), line.arg(0)) {
            ("default", Some(value)) => table.set("default", value, ""),
            ("proxy", Some(network)) => proxies.push(Value::from(network)),
            ("proxy_recursive", None) => table.set("proxy_recursive", true, ""),
            ("ranges", None) | ("include", _) | ("volatile", None) => {}
            ("delete", Some(_)) => {
                ledger.not_done(line, "a network cannot be taken out again", "leave it out above")
            }
            (network, Some(value)) => networks.push(Value::List(vec![network.into(), value.into()])),
            (_, None) => ledger.not_done(line, "a line of geo has a value", ""),
        }
    }
    if !proxies.is_empty() {
        table.set("proxies", Value::List(proxies), "");
    }
    table.set("networks", Value::List(networks), "");
    table
}

fn split(directive: &Directive, ledger: &mut Ledger<'_>) -> Table {
    let mut table = Table::new(Some(ledger.origin(directive).to_string()));
    table.set("variable", bare(directive.arg(1)), "");
    table.set("from", directive.arg(0).unwrap_or_default(), "");
    let part =
        |line: &Directive| Value::List(vec![line.name().into(), line.arg(0).unwrap_or_default().into()]);
    table.set("parts", Value::List(directive.children().iter().map(part).collect()), "");
    table
}
