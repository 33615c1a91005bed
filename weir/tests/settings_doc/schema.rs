//! The JSON Schema of `weir schema`: it takes what the types take, the example files of the repository among
//! them, and refuses keys that do not exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use toml::{Table, Value};

use super::{Section, sections, with};

/// Words of a schema that this test knows.
const KNOWN: [&str; 16] = [
    "description",
    "$ref",
    "allOf",
    "anyOf",
    "type",
    "enum",
    "const",
    "pattern",
    "minimum",
    "items",
    "properties",
    "additionalProperties",
    "required",
    "$schema",
    "title",
    "definitions",
];

/// What does not fit, by the path of the value. As much of draft 7 as the schema uses.
struct Checker<'a> {
    root: &'a Json,
}

impl Checker<'_> {
    fn faults(&self, schema: &Json, value: &Json, path: &str) -> Vec<String> {
        let schema = schema.as_object().unwrap_or_else(|| panic!("{path}: {schema} is no schema"));
        let mut faults = Vec::new();
        for (word, rule) in schema {
            assert!(KNOWN.contains(&word.as_str()), "this test does not know {word}");
            let fits = match word.as_str() {
                "$ref" => {
                    let name = rule.as_str().unwrap().trim_start_matches("#/definitions/");
                    faults.extend(self.faults(&self.root["definitions"][name], value, path));
                    true
                }
                "allOf" => {
                    faults.extend(list(rule).iter().flat_map(|rule| self.faults(rule, value, path)));
                    true
                }
                "anyOf" => {
                    let tried: Vec<_> =
                        list(rule).iter().map(|rule| self.faults(rule, value, path)).collect();
                    if !tried.iter().any(Vec::is_empty) {
                        faults.extend(tried.into_iter().flatten());
                    }
                    true
                }
                "type" => match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    other => panic!("this test does not know the type {other}"),
                },
                "enum" => list(rule).contains(value),
                "const" => rule == value,
                "pattern" => value.as_str().is_none_or(|text| is_unit(rule.as_str().unwrap(), text)),
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
                "items" => {
                    let items = value.as_array().into_iter().flatten().enumerate();
                    faults.extend(
                        items.flat_map(|(at, item)| self.faults(rule, item, &format!("{path}[{at}]"))),
                    );
                    true
                }
                "properties" | "additionalProperties" => {
                    faults.extend(self.faults_of_keys(schema, value, path, word == "properties"));
                    true
                }
                "required" => list(rule).iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
                _ => true,
            };
            if !fits {
                faults.push(format!("{path}: {value} does not fit {word} {rule}"));
            }
        }
        faults
    }

    fn faults_of_keys(
        &self,
        schema: &serde_json::Map<String, Json>,
        value: &Json,
        path: &str,
        named: bool,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, value) in value.as_object().into_iter().flatten() {
            let at = format!("{path}.{key}");
            let rule = schema.get("properties").and_then(|properties| properties.get(key));
            match (rule, &schema["additionalProperties"]) {
                (Some(rule), _) if named => faults.extend(self.faults(rule, value, &at)),
                (None, Json::Bool(false)) if !named => faults.push(format!("{at}: there is no such key")),
                (None, rule @ Json::Object(_)) if !named => faults.extend(self.faults(rule, value, &at)),
                _ => {}
            }
        }
        faults
    }
}

fn list(rule: &Json) -> &Vec<Json> {
    rule.as_array().unwrap()
}

/// The two patterns, without a library for them.
fn is_unit(pattern: &str, text: &str) -> bool {
    match pattern.contains("ms|") {
        true => process::units::Time::parse(text).is_some(),
        false => process::units::Size::parse(text).is_some(),
    }
}

fn as_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap()
}

fn faults_of_file(text: &str) -> Vec<String> {
    faults_of(text.parse().unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn faults_of(settings: Table) -> Vec<String> {
    let schema = settings_doc::schema();
    Checker { root: &schema }.faults(&schema, &as_json(&Value::Table(settings)), "")
}

/// The files below `deploy/` and `bench/` that are settings of Weir.
fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut left = vec![root.join("deploy"), root.join("bench"), root.join("tests/suites")];
    let mut files = Vec::new();
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => left.push(path),
                false if ["weir.toml", "cache-node.toml"].contains(&name.as_str()) => files.push(path),
                false => {}
            }
        }
    }
    files
}

#[test]
fn the_examples_fit() {
    let examples = examples();
    assert!(examples.len() >= 6, "{examples:?}");
    for file in examples {
        let faults = faults_of_file(&fs::read_to_string(&file).unwrap());
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    }
}

/// So do those of the documents, but for pieces that are cut out of a whole.
#[test]
fn the_examples_of_the_document_fit() {
    let mut seen = 0;
    for block in settings_doc::TEXT.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let Ok(mut settings) = block.parse::<Table>() else { continue };
        with_a_site(&mut settings);
        if settings.keys().all(|key| ["edge", "cache_node", "wsgi_adapter"].contains(&key.as_str())) {
            seen += 1;
            let faults: Vec<_> = faults_of(settings);
            assert!(faults.is_empty(), "{block}\n{faults:#?}");
        }
    }
    assert!(seen > 5, "{seen}");
}

/// Puts a location whose site stands elsewhere into a site, and a cache whose location does into a location.
fn with_a_site(settings: &mut Table) {
    let mut place = settings.get_mut("edge").and_then(Value::as_table_mut);
    for name in ["site", "location"] {
        let Some(inner) = place.and_then(|place| place.get_mut(name)).filter(|inner| inner.is_table()) else {
            return;
        };
        *inner = Value::Array(vec![inner.clone()]);
        place = inner[0].as_table_mut();
        if name == "location" {
            place.unwrap().entry("match").or_insert_with(|| "/".into());
            return;
        }
    }
}

/// Each key that the document lists stands in one of its examples.
#[test]
fn each_key_has_an_example() {
    let blocks = settings_doc::TEXT.split("```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let mut shown = BTreeSet::new();
    blocks.filter_map(|block| block.parse().ok()).for_each(|block| names(&Value::Table(block), &mut shown));
    let tables = settings_doc::tables();
    let rows = tables.iter().flat_map(|table| table.rows.iter().map(move |row| (&table.id.heading, row)));
    let missing: Vec<_> = rows
        .flat_map(|(heading, row)| row.keys.iter().map(move |key| format!("{heading}: `{key}`")))
        .filter(|key| !shown.contains(key.split('`').nth(1).unwrap()))
        .collect();
    assert!(missing.is_empty(), "no example has these keys: {missing:#?}");
}

/// All keys in this value.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            names(value, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn what_is_wrong_is_refused() {
    for (text, said) in [
        ("[edge]\nlisten_on = ['x']", ".edge.listen_on: there is no such key"),
        ("[egde]", ".egde: there is no such key"),
        ("[edge.l1]\nmemory = '1 apple'", ".edge.l1.memory"),
        ("[edge.timeouts]\nhead = true", ".edge.timeouts.head"),
        ("[edge]\nruntime = 'both'", ".edge.runtime"),
        ("[[edge.site]]\n[[edge.site.location]]\npool = 'a'", "required"),
        ("[[edge.site]]\n[[edge.site.location]]\nmatch = '/'\nchache = {}", "chache: there is no such key"),
        ("[[edge.site]]\n[[edge.site.location]]\nmatch = '/'\n[edge.site.location.cache]\nttll = 1", "ttll"),
        ("[[wsgi_adapter.pool]]\nname = 'a'\nservers = [{ adress = 'x' }]", "adress"),
        ("[edge.limit_zones.a]\nrat = '1r/s'", ".edge.limit_zones.a.rat"),
    ] {
        let faults = faults_of_file(text);
        assert!(faults.iter().any(|fault| fault.contains(said)), "{text}: {faults:?}");
    }
}

/// An editor must not mark what Weir takes.
#[test]
fn the_schema_takes_what_the_types_take() {
    let schema = settings_doc::schema();
    let checker = Checker { root: &schema };
    let values: Vec<Value> = [
        "true",
        "false",
        "1",
        "0.5",
        "'x'",
        "'7s'",
        "'7KiB'",
        "'http://x:1'",
        "[]",
        "['x']",
        "{}",
        "'off'",
        "['127.0.0.1:1']",
        "'127.0.0.1:1'",
    ]
    .iter()
    .map(|text| format!("v = {text}").parse::<Table>().unwrap().remove("v").unwrap())
    .collect();
    let mut faults = Vec::new();
    for section @ Section { heading, nth, read, .. } in &sections() {
        let table = settings_doc::tables().into_iter().find(|table| table.id.is(heading, *nth)).unwrap();
        for (key, row) in table.keys() {
            let name = heading.trim_matches(['[', ']']).replace(' ', "-").to_ascii_lowercase();
            let name = if *nth == 0 { name } else { format!("{name}-{}", nth + 1) };
            let rule = &schema["definitions"][&name]["properties"][key];
            assert!(rule.is_object(), "{heading} {key}");
            for value in &values {
                // serde takes a list for a struct; settings do not (crates/process/src/settings/node.rs).
                if value.is_array() && (row.kind.contains("table") || row.kind.contains('{')) {
                    continue;
                }
                let is_taken = read(with(section, key, value.clone())).is_ok();
                let refusals = checker.faults(rule, &as_json(value), key);
                if is_taken && !refusals.is_empty() {
                    faults.push(format!("{heading}, `{key}` ({}): {value} is taken: {refusals:?}", row.kind));
                }
            }
            let mut least: Table = section.least.parse().unwrap();
            least.remove(key);
            let is_required = schema["definitions"][&name]["required"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(key)));
            if is_required
                && read(least)
                    .is_ok_and(|debug| super::field(&debug, key).is_some_and(|value| !super::is_empty(value)))
            {
                faults.push(format!("{heading}, `{key}` is required, and may be left out"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
