//! What serde finds wrong with one value, said plainly.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::nearest;

/// Longer values are cut short when a mistake quotes them.
const LONGEST_QUOTE: usize = 60;

/// The first thing wrong in a section.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where; none only for what was found outside any value.
    pub(super) path: Option<String>,
    wrong: FaultKind,
}

#[derive(Debug)]
enum FaultKind {
    MissingKey(&'static str),
    Value(String),
}

impl Fault {
    /// Notes where it was found. The innermost place counts.
    pub(super) fn at(mut self, path: &str) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }

    pub(super) fn missing_key(&self) -> Option<&'static str> {
        match self.wrong {
            FaultKind::MissingKey(key) => Some(key),
            FaultKind::Value(_) => None,
        }
    }

    pub(super) fn text(&self) -> String {
        match &self.wrong {
            FaultKind::MissingKey(key) => format!("`{key}` is missing"),
            FaultKind::Value(text) => text.clone(),
        }
    }

    fn value(text: String) -> Self {
        Self { path: None, wrong: FaultKind::Value(text) }
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // An untagged enum keeps nothing of what its variants had to say; `serde(expecting = "…")` gives it a
        // sentence.
        match message.starts_with("data did not match any variant of untagged enum") {
            true => Self::value("is written in a form that is not known here".to_owned()),
            false => Self::value(message),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::value(format!("must be {}, not {}", wanted(&expected.to_string()), given(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        // serde says "a tuple of size 2" and the like.
        match expected.strip_prefix("a tuple of size ").or_else(|| expected.strip_prefix("tuple of ")) {
            Some(size) => {
                let size = size.split(' ').next().unwrap_or(size);
                Self::value(format!("must be a list of {size} elements, not of {length}"))
            }
            None => Self::value(format!("must be {}, not {length} long", wanted(&expected))),
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::value(nearest::unknown_value(variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::value(nearest::unknown("key", field, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: None, wrong: FaultKind::MissingKey(field) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::value(format!("`{field}` is given twice, under two of its names"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Fault {}

/// What a type asks for. serde names its own types; ours say it themselves.
fn wanted(expected: &str) -> String {
    let plain = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" | "path string" => "text",
        "a character" => "one character",
        "a sequence" => "a list",
        "a map" => "a table",
        "unit" => "left empty",
        nonzero if nonzero.starts_with("a nonzero") => "a whole number, 1 or more",
        table if table.starts_with("struct ") => "a table",
        list if list.starts_with("tuple") || list.starts_with("an array of") => "a list of the right length",
        own => own,
    };
    plain.to_owned()
}

fn given(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) if text.chars().count() > LONGEST_QUOTE => {
            format!("{:?}…", text.chars().take(LONGEST_QUOTE).collect::<String>())
        }
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}
