//! The document's tables of settings, row by row.

use crate::cells::{backticked, cells, parts};
use crate::{TEXT, links};

const HEADER: &str = "| key | type | default |";

/// The heading that a table stands below, and the number of the table there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableId {
    pub heading: String,
    pub nth: usize,
}

impl TableId {
    pub fn is(&self, heading: &str, nth: usize) -> bool {
        (self.heading.as_str(), self.nth) == (heading, nth)
    }
}

/// One table of the document.
#[derive(Clone, Debug)]
pub struct TableOfSettings {
    pub id: TableId,
    pub rows: Vec<Row>,
}

/// `| keys | type | default | meaning |`.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line of the document, from 1.
    pub line: usize,
    pub keys: Vec<String>,
    pub kind: String,
    /// One for all keys, or one for each.
    pub defaults: Vec<String>,
    pub meaning: String,
}

impl Row {
    /// The default of one of its keys, as the document writes it.
    pub fn default_of(&self, key: &str) -> &str {
        let at = self.keys.iter().position(|known| known == key).unwrap_or_default();
        let default = if self.defaults.len() == self.keys.len() {
            self.defaults.get(at)
        } else {
            self.defaults.first()
        };
        default.map_or("", String::as_str)
    }

    /// The default, if it is a value in TOML and no words.
    pub fn literal_default(&self, key: &str) -> Option<&str> {
        self.default_of(key).strip_prefix('`')?.strip_suffix('`')
    }

    /// Whether its table cannot be without the key.
    pub fn is_needed(&self, key: &str) -> bool {
        self.default_of(key) == "needed"
    }
}

impl TableOfSettings {
    pub fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.keys.iter().any(|known| known == key))
    }

    /// Each key with its row, in the document's order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.rows.iter().flat_map(|row| row.keys.iter().map(move |key| (key.as_str(), row)))
    }

    /// What stands at a key that holds a table of the document.
    pub fn link(&self, key: &str) -> Option<&'static links::Link> {
        links::find(&self.id, key)
    }
}

/// All tables of settings, in the document's order. A row without four cells is passed over: the test that
/// holds the document to the types then misses its keys.
pub fn tables() -> Vec<TableOfSettings> {
    let (mut tables, mut heading) = (Vec::<TableOfSettings>::new(), String::new());
    let mut inside = false;
    for (line, text) in (1..).zip(TEXT.lines()) {
        if let Some(title) = text.strip_prefix('#') {
            let title = title.trim_start_matches(['#', ' ']);
            heading = title.split(':').next().unwrap_or_default().to_owned();
        }
        if text.starts_with(HEADER) {
            let nth = tables.iter().filter(|table| table.id.heading == heading).count();
            tables.push(TableOfSettings { id: TableId { heading: heading.clone(), nth }, rows: Vec::new() });
            inside = true;
        } else if !text.starts_with('|') {
            inside = false;
        } else if inside && !text.starts_with("|---") {
            let [keys, kind, defaults, meaning] = cells(text)[..] else { continue };
            let row = Row {
                line,
                keys: backticked(keys),
                kind: kind.to_owned(),
                defaults: parts(defaults, ',').iter().map(|default| default.trim().to_owned()).collect(),
                meaning: meaning.to_owned(),
            };
            if let Some(table) = tables.last_mut() {
                table.rows.push(row);
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_read() {
        let tables = tables();
        let edge = tables.iter().find(|table| table.id.is("[edge]", 0)).unwrap();
        let row = edge.row("admin").unwrap();
        assert_eq!(row.literal_default("admin"), Some("\"127.0.0.1:9900\""));
        let pool = tables.iter().find(|table| table.id.is("[wsgi_adapter.pool.sticky]", 0)).unwrap();
        let row = pool.row("same_site").unwrap();
        assert_eq!(row.literal_default("same_site"), Some("\"Lax\""));
        assert_eq!(row.literal_default("domain"), None);
    }
}
