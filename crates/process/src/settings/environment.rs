//! The environment as a source of settings: `WEIR__EDGE__LISTEN` sets `edge.listen`.

use std::collections::BTreeMap;

use config::{ConfigError, FileFormat, Format, Map, Source, Value, ValueKind};

/// Two underscores, since one stands inside names such as `cache_node`, and since `WEIR_CONFIG` is no
/// setting.
const PREFIX: &str = "WEIR__";
const SEPARATOR: &str = "__";

/// Our variables by name, so that `WEIR__EDGE` is laid down before `WEIR__EDGE__LISTEN`. Empty ones count as
/// not set.
pub(super) fn ours(env: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    env.into_iter().filter(|(name, text)| name.starts_with(PREFIX) && !text.is_empty()).collect()
}

/// One variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    path: String,
    value: Value,
}

impl Variable {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let path = name.trim_start_matches(PREFIX).to_ascii_lowercase().replace(SEPARATOR, ".");
        Self { path, value: value(name, text) }
    }
}

impl Source for Variable {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(Map::from([(self.path.clone(), self.value.clone())]))
    }
}

/// A list, a table, a number, true or false, or quoted text as TOML has them; anything else is text as it
/// stands.
fn value(name: &str, text: &str) -> Value {
    let origin = name.to_owned();
    let parsed = FileFormat::Toml.parse(Some(&origin), &format!("value = {text}"));
    match parsed.map(|mut table| (table.remove("value"), table.is_empty())) {
        Ok((Some(value), true)) => value,
        _ => Value::new(Some(&origin), ValueKind::String(text.to_owned())),
    }
}
