//! `compress`: which replies are compressed on the fly, and how.

use process::settings::Mistakes;
use process::units::Size;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::coding::Coding;
use crate::coding::encoder::Level;
use crate::coding::rule::Compress;

/// Types that compress well, whatever their content.
const TYPES: [&str; 26] = [
    "text/html",
    "text/css",
    "text/plain",
    "text/xml",
    "text/csv",
    "text/calendar",
    "text/markdown",
    "text/vtt",
    "text/javascript",
    "application/javascript",
    "application/x-javascript",
    "application/json",
    "application/ld+json",
    "application/geo+json",
    "application/manifest+json",
    "application/problem+json",
    "application/xml",
    "application/xhtml+xml",
    "application/rss+xml",
    "application/atom+xml",
    "application/wasm",
    "application/vnd.ms-fontobject",
    "font/ttf",
    "font/otf",
    "image/svg+xml",
    "image/x-icon",
];

/// `compress = true`, `false`, or a table.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressConfig {
    on: bool,
    table: CompressTable,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompressTable {
    /// Media types: "text/css", "text/*" or "*". Event streams are never compressed.
    types: Vec<String>,
    /// Shorter bodies are sent as they are.
    min_length: Size,
    /// From 1, fast, to 9, small.
    level: u8,
    /// In the order of preference, among those that the client wants equally.
    codings: Vec<Coding>,
    /// Also compresses replies that are one visitor's own; see docs/security.md on BREACH.
    personal: bool,
}

impl Default for CompressTable {
    fn default() -> Self {
        Self {
            types: TYPES.map(str::to_owned).to_vec(),
            min_length: Size(256),
            level: 5,
            codings: Coding::ALL.to_vec(),
            personal: false,
        }
    }
}

impl CompressConfig {
    /// The rule, unless compression is off; reports mistakes under the setting's path.
    pub(crate) fn rule(&self, path: &str, mistakes: &mut Mistakes) -> Option<Compress> {
        let CompressTable { types, min_length, level, codings, personal } = &self.table;
        let level = Level::new(*level);
        if level.is_none() {
            mistakes.push(format!("{path}.level"), "must be from 1 (fast) to 9 (small)");
        }
        if codings.is_empty() {
            mistakes.push(format!("{path}.codings"), "is empty; write `compress = false` to switch it off");
        }
        match Compress::new(types, codings.clone(), level.unwrap_or(Level::USUAL)) {
            Ok(mut rule) => {
                rule.min_length = min_length.0;
                rule.personal = *personal;
                self.on.then_some(rule)
            }
            Err(text) => {
                mistakes.push(format!("{path}.types"), text);
                None
            }
        }
    }
}

impl<'de> Deserialize<'de> for CompressConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = CompressConfig;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "true, false, or a table with `types`, `min_length`, `level`, `codings`, `personal`",
                )
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(CompressConfig { on, table: CompressTable::default() })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let table = CompressTable::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(CompressConfig { on: true, table })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(bool, String), String> {
        let compress: CompressConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut mistakes = Mistakes::default();
        let rule = compress.rule("compress", &mut mistakes);
        Ok((rule.is_some(), mistakes.to_string()))
    }

    #[test]
    fn on_off_and_tables() {
        for (text, on) in [
            ("true", true),
            ("false", false),
            ("{}", true),
            (r#"{"types": ["*"], "level": 9, "codings": ["gzip"], "min_length": "1KiB"}"#, true),
        ] {
            let (is_on, mistakes) = read(text).unwrap();
            assert_eq!((is_on, mistakes.as_str()), (on, ""), "{text}");
        }
    }

    #[test]
    fn mistakes_name_their_key() {
        for (text, key) in [
            (r#"{"level": 0}"#, "compress.level"),
            (r#"{"level": 10}"#, "compress.level"),
            (r#"{"codings": []}"#, "compress.codings"),
            (r#"{"types": ["html"]}"#, "compress.types"),
        ] {
            assert!(read(text).unwrap().1.contains(key), "{text}: {:?}", read(text));
        }
        for (text, wrong) in [
            (r#"{"codings": ["deflate"]}"#, "deflate"),
            (r#"{"typs": []}"#, "typs"),
            (r#""gzip""#, "true, false"),
        ] {
            assert!(read(text).unwrap_err().contains(wrong), "{text}: {:?}", read(text));
        }
    }
}
