//! The lines of a YAML file's keys, and its first syntax mistake.

use std::collections::BTreeMap;

use yaml_rust2::parser::{Event, MarkedEventReceiver, Parser};
use yaml_rust2::scanner::Marker;

use super::path;
use super::syntax_mistake::SyntaxMistake;

/// The line of each key and list element by its path. What stands behind an alias has the line of the alias.
pub(super) fn lines(text: &str) -> Result<BTreeMap<String, usize>, Vec<SyntaxMistake>> {
    let mut found = YamlLines::default();
    if let Err(error) = Parser::new_from_str(text).load(&mut found, true) {
        found.mistake(*error.marker(), error.info().to_owned());
    }
    match found.mistakes.is_empty() {
        true => Ok(found.lines),
        false => Err(found.mistakes),
    }
}

#[derive(Default)]
struct YamlLines {
    lines: BTreeMap<String, usize>,
    mistakes: Vec<SyntaxMistake>,
    open: Vec<OpenCollection>,
    documents: usize,
}

/// A table or list whose end has not come yet.
enum OpenCollection {
    /// `key` is the path of the key whose value comes next; none where a key comes next.
    Table {
        path: String,
        key: Option<String>,
    },
    List {
        path: String,
        next: usize,
    },
}

impl MarkedEventReceiver for YamlLines {
    fn on_event(&mut self, event: Event, mark: Marker) {
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents == 2 {
                    self.mistake(mark, "a second document begins here; settings are one".to_owned());
                }
            }
            Event::Scalar(text, ..) => {
                if self.open.is_empty() && !text.is_empty() {
                    self.mistake(mark, NO_TABLE.to_owned());
                }
                self.node(mark, Some(&text));
            }
            Event::Alias(_) => {
                self.node(mark, None);
            }
            Event::MappingStart(..) => {
                let path = self.node(mark, None);
                self.open.push(OpenCollection::Table { path, key: None });
            }
            Event::SequenceStart(..) => {
                if self.open.is_empty() {
                    self.mistake(mark, NO_TABLE.to_owned());
                }
                let path = self.node(mark, None);
                self.open.push(OpenCollection::List { path, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
}

const NO_TABLE: &str = "settings begin with the name of a section, such as \"edge:\"";

impl YamlLines {
    /// A key, an element or a value begins here. Returns its path.
    fn node(&mut self, mark: Marker, text: Option<&str>) -> String {
        let (path, named) = match self.open.last_mut() {
            None => return String::new(),
            Some(OpenCollection::List { path, next }) => {
                *next += 1;
                (path::element(path, *next - 1), true)
            }
            Some(OpenCollection::Table { path, key }) => match key.take() {
                Some(value_of) => (value_of, false),
                None => {
                    let path = path::key(path, text.unwrap_or_default());
                    *key = Some(path.clone());
                    (path, true)
                }
            },
        };
        if named && self.lines.insert(path.clone(), mark.line()).is_some() {
            let name = path.rsplit('.').next().unwrap_or(&path);
            self.mistake(mark, format!("`{name}` is given twice"));
        }
        path
    }

    /// Only the first: what comes after it is guesswork.
    fn mistake(&mut self, mark: Marker, text: String) {
        if self.mistakes.is_empty() {
            self.mistakes.push(SyntaxMistake { line: mark.line(), column: mark.col() + 1, text });
        }
    }
}
