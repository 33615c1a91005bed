//! Reading the settings file, and the syntax mistakes in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use config::FileFormat;

use crate::directory;

use super::mistakes::Mistakes;
use super::place::Place;
use super::syntax_mistake::SyntaxMistake;
use super::{toml_lines, yaml_lines};

/// Nobody writes a larger one by hand; reading a device or a log by accident ends here.
const LARGEST: u64 = 4 * 1024 * 1024;

/// A file whose syntax is right.
#[derive(Debug)]
pub(super) struct SettingsFile {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) format: FileFormat,
    /// The line of each key and list element, from 1, by its path.
    pub(super) lines: BTreeMap<String, usize>,
}

impl SettingsFile {
    pub(super) fn read(path: &Path) -> Result<Self, Mistakes> {
        let name = directory::shown(path).display().to_string();
        let text = read_text(path).map_err(|text| {
            let mut mistakes = Mistakes::default();
            mistakes.add_at(Place::File { name: name.clone(), line: None, column: None }, text);
            mistakes
        })?;
        Self::parse(name, text, path)
    }

    pub(super) fn of_toml(name: &str, text: &str) -> Result<Self, Mistakes> {
        Self::parse(name.to_owned(), text.to_owned(), Path::new(""))
    }

    /// `path`: its ending tells TOML and YAML apart.
    fn parse(name: String, text: String, path: &Path) -> Result<Self, Mistakes> {
        let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let (format, lines) = match yaml {
            true => (FileFormat::Yaml, yaml_lines::lines(&text)),
            false => (FileFormat::Toml, toml_lines::lines(&text)),
        };
        let lines = lines.map_err(|found| {
            let mut mistakes = Mistakes::default();
            for SyntaxMistake { line, column, text } in found {
                let place = Place::File { name: name.clone(), line: Some(line), column: Some(column) };
                mistakes.add_at(place, text);
            }
            mistakes
        })?;
        Ok(Self { name, text, format, lines })
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 > LARGEST => {
            Err("is larger than 4 MiB; is this the settings file?".to_owned())
        }
        Ok(_) => Ok(text),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "is a folder; name a file".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
            io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
            _ => format!("cannot be read: {error}"),
        }),
    }
}
