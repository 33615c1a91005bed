//! The JSON Schema of a settings file, for editors: draft 7, which they all know.
//!
//! It never refuses what the settings types take (a test compares them), and says less than `weir check`.

use serde_json::{Map, Value, json};

use crate::cells::backticked;
use crate::links::{self, Form, Link};
use crate::tables::{Row, TableId, TableOfSettings, tables};

/// A number, or a text such as "1h30m".
const TIME: &str = r"^[0-9]+(\.[0-9]+)?$|^([0-9]+ *(ms|s|m|h|d|w|M|y) *)+$";
const SIZE: &str = r"^[0-9]+ *([kKmMgG]|[kKmMgG]i?[bB])?$";

/// The schema of the whole file.
pub fn schema() -> Value {
    let tables = tables();
    let mut definitions: Map<String, Value> =
        tables.iter().map(|table| (name(&table.id), of_table(table))).collect();
    definitions.insert("time".to_owned(), unit(TIME, "a time such as \"90s\" or \"1h30m\", or seconds"));
    definitions.insert("size".to_owned(), unit(SIZE, "a size such as \"64KiB\", or bytes"));
    let mut sections: Map<String, Value> =
        links::sections().map(|(key, link)| (key.to_owned(), held(link))).collect();
    sections.insert("memory".to_owned(), reference("size"));
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of Weir",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
        "definitions": definitions,
    })
}

/// The name of a table's definition: `edge.site.location.cache`, `edge.peers-2`.
fn name(id: &TableId) -> String {
    definition(&id.heading, id.nth)
}

fn definition(heading: &str, nth: usize) -> String {
    let name = heading.trim_matches(['[', ']']).replace(' ', "-").to_ascii_lowercase();
    if nth == 0 { name } else { format!("{name}-{}", nth + 1) }
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{definition}") })
}

fn unit(pattern: &str, meaning: &str) -> Value {
    json!({
        "description": meaning,
        "anyOf": [{ "type": "string", "pattern": pattern }, { "type": "number", "minimum": 0 }],
    })
}

fn of_table(table: &TableOfSettings) -> Value {
    let properties: Map<String, Value> =
        table.keys().map(|(key, row)| (key.to_owned(), of_key(table, key, row))).collect();
    let needed: Vec<&str> =
        table.keys().filter(|(key, row)| row.is_needed(key)).map(|(key, _)| key).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    schema
}

fn of_key(table: &TableOfSettings, key: &str, row: &Row) -> Value {
    let mut forms = Vec::new();
    if let Some(link) = table.link(key) {
        forms.push(held(link));
    }
    forms.extend(simple(&row.kind, table.link(key).is_some()));
    let mut schema = match <[Value; 1]>::try_from(forms) {
        Ok([one]) if one.get("$ref").is_none() => one,
        Ok([one]) => json!({ "allOf": [one] }),
        Err(forms) if forms.is_empty() => json!({}),
        Err(forms) => json!({ "anyOf": forms }),
    };
    let default = row.default_of(key);
    let default = if default.is_empty() { String::new() } else { format!("\n\nDefault: {default}") };
    schema["description"] = json!(format!("{}{default}", without_links(&row.meaning)).trim());
    schema
}

fn held(link: &Link) -> Value {
    let table = reference(&definition(link.heading, link.nth));
    match link.form {
        Form::One => table,
        Form::Many if link.heading == "servers" => json!({
            "anyOf": [{ "type": "array", "items": { "anyOf": [{ "type": "string" }, table] } }, { "type": "string" }],
        }),
        Form::Many => json!({ "type": "array", "items": table }),
        Form::Named => json!({ "type": "object", "additionalProperties": table }),
    }
}

/// The forms of a type that are no tables of the document.
fn simple(kind: &str, is_linked: bool) -> Vec<Value> {
    let words: Vec<String> = backticked(kind);
    let quoted: Vec<&str> =
        words.iter().filter_map(|word| word.strip_prefix('"')?.strip_suffix('"')).collect();
    let text = json!({ "type": "string" });
    let list = json!({ "type": "array" });
    let first = kind.split([' ', ',']).next().unwrap_or_default();
    match first {
        "time" if kind == "time" => vec![reference("time")],
        "time" => vec![reference("time"), json!({ "type": "object" })],
        "size" => vec![reference("size")],
        "boolean" if kind == "boolean" => vec![json!({ "type": "boolean" })],
        "boolean" => {
            let mut forms = vec![json!({ "type": "boolean" })];
            forms.extend((!quoted.is_empty()).then(|| json!({ "enum": quoted })));
            if kind.contains("list") {
                forms.extend([list, text, json!({ "type": "number" })]);
            }
            forms
        }
        "number" => vec![json!({ "type": "number" })],
        "list" if is_linked => vec![],
        "list" if kind.contains("ports") => vec![list, text, json!({ "type": "number" })],
        "list" => vec![list, text],
        "table" | "tables" if is_linked => vec![],
        "table" if kind.contains("\"auto\"") => vec![json!({ "type": "object" }), json!({ "const": "auto" })],
        "table" => vec![json!({ "type": "object" })],
        "path" if is_linked => vec![text, json!({ "const": false })],
        "text" if kind.contains("list") => vec![text, list],
        // Texts with variables may be bare numbers.
        "text" | "directory" => vec![text, json!({ "type": "number" })],
        "name" | "path" | "file" | "address" => vec![text],
        "URL" if kind == "URL" => vec![text],
        "URL" => vec![text, list],
        _ if kind.contains('{') => vec![json!({ "type": "object" }), json!({ "const": false })],
        _ if quoted.len() > 1 && !kind.contains("a file") => vec![json!({ "enum": quoted })],
        _ if quoted.len() > 1 => vec![text],
        _ => vec![],
    }
}

/// `[below](#cors)` is for readers of the document.
fn without_links(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("](")
        && let Some((before, name)) = before.rsplit_once('[')
        && let Some((_, behind)) = behind.split_once(')')
    {
        plain.push_str(before);
        plain.push_str(name);
        rest = behind;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_type_its_words_and_its_default() {
        let schema = schema();
        let edge = &schema["definitions"]["edge"]["properties"];
        assert_eq!(edge["runtime"]["enum"], json!(["shared", "per_core"]));
        assert_eq!(edge["l1"]["allOf"][0]["$ref"], "#/definitions/edge.l1");
        assert_eq!(edge["site"]["items"]["$ref"], "#/definitions/edge.site");
        assert!(edge["admin"]["description"].as_str().unwrap().ends_with("Default: `\"127.0.0.1:9900\"`"));
        let location = &schema["definitions"]["edge.site.location"];
        assert_eq!(location["required"], json!(["match"]));
        assert_eq!(location["additionalProperties"], false);
    }

    #[test]
    fn links_of_the_document_are_left_out() {
        assert_eq!(without_links("`[1]`: [below](#rule), or not"), "`[1]`: below, or not");
    }
}
