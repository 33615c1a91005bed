//! Goes through the merged settings along the tables of docs/settings.md, which knows every key and its
//! default.

use process::settings::Settings;
use settings_doc::{Form, Link, Row, TableId, TableOfSettings};
use toml::{Table, Value};

use super::secrets;
use super::setting::{ShownSetting, ValueOrigin};

/// The sections of a file, in the order in which they are shown.
const SECTIONS: [&str; 3] = ["edge", "cache_node", "wsgi_adapter"];
/// Locations stand in locations no deeper than anybody writes them.
const DEEPEST: usize = 32;

/// One walk.
pub(super) struct Walk<'a> {
    settings: &'a Settings,
    tables: Vec<TableOfSettings>,
    /// Show defaults of sites, locations and what stands in lists too.
    with_all: bool,
    shown: Vec<ShownSetting>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(settings: &'a Settings, with_all: bool) -> Self {
        Self { settings, tables: settings_doc::tables(), with_all, shown: Vec::new() }
    }

    pub(super) fn all(mut self) -> Vec<ShownSetting> {
        let tree = self.settings.table();
        if let Some(memory) = tree.get(crate::settings::MEMORY) {
            self.push(crate::settings::MEMORY, memory);
        }
        for section in SECTIONS {
            let present = tree.get(section).and_then(Value::as_table);
            self.table(section, (&format!("[{section}]"), 0), present, 0);
        }
        self.shown
    }

    fn table(&mut self, path: &str, (heading, nth): (&str, usize), present: Option<&Table>, depth: usize) {
        let known = self.tables.iter().find(|table| table.id.is(heading, nth)).cloned();
        let Some(table) = known.filter(|_| depth < DEEPEST) else { return };
        let is_secret = present.is_some_and(secrets::is_of_secret_field);
        for (key, row) in table.keys() {
            let at = format!("{path}.{key}");
            match (table.link(key), present.and_then(|present| present.get(key))) {
                (Some(link), Some(value)) => self.held(&at, link, value, depth + 1),
                (Some(link), None) if is_in_force(key, row, link) => {
                    self.table(&at, (link.heading, link.nth), None, depth + 1);
                }
                (None, Some(_)) if is_secret && key == "value" => self.push(&at, &secrets::MASK.into()),
                (None, Some(value)) => self.push(&at, value),
                (_, None) if self.with_all || shows_defaults(&table.id) => self.default(&at, key, row),
                (_, None) => {}
            }
        }
    }

    fn held(&mut self, path: &str, link: &Link, value: &Value, depth: usize) {
        match (link.form, value) {
            (Form::One, Value::Table(table)) => {
                self.table(path, (link.heading, link.nth), Some(table), depth)
            }
            (Form::Many, Value::Array(list)) => {
                for (index, value) in list.iter().enumerate() {
                    let at = format!("{path}[{index}]");
                    match value {
                        Value::Table(table) => self.table(&at, (link.heading, link.nth), Some(table), depth),
                        value => self.push(&at, value),
                    }
                }
            }
            (Form::Named, Value::Table(named)) => {
                for (name, value) in named {
                    let at = format!("{path}.{name}");
                    self.table(&at, (link.heading, link.nth), value.as_table(), depth);
                }
            }
            // Another form of it: `compress = true`.
            _ => self.push(path, value),
        }
    }

    fn push(&mut self, path: &str, value: &Value) {
        let origin = self.settings.origin(path).into();
        self.shown.push(ShownSetting {
            path: path.to_owned(),
            value: Some(secrets::masked(path, value)),
            origin,
        });
    }

    /// What holds if nothing is set, where the document says so by a value.
    fn default(&mut self, path: &str, key: &str, row: &Row) {
        let literal =
            row.literal_default(key).and_then(|literal| format!("value = {literal}").parse::<Table>().ok());
        let value = literal.and_then(|mut table| table.remove("value"));
        if value.is_some() || (self.with_all && row.default_of(key).starts_with("none")) {
            self.shown.push(ShownSetting { path: path.to_owned(), value, origin: ValueOrigin::Default });
        }
    }
}

/// Whether the table applies where it is left out. Certificates come by themselves only if something says so.
fn is_in_force(key: &str, row: &Row, link: &Link) -> bool {
    link.form == Form::One && row.default_of(key) == "below" && !matches!(key, "acme" | "peers")
}

/// Not those of sites and of what stands in lists: nearly all are the outer place's.
fn shows_defaults(id: &TableId) -> bool {
    id.heading.starts_with('[') && !id.heading.starts_with("[[edge.")
}
