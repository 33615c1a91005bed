//! A settings file as tests build it: tables by their paths, locations by what they do.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

/// The tables of a settings file.
#[derive(Clone, Debug, Default)]
pub struct Settings(Table);

impl Settings {
    /// The text begins with keys of `[edge]`; sites and pools follow.
    #[track_caller]
    pub fn of_edge(text: &str) -> Self {
        Self::parse(&format!("[edge]\n{text}"))
    }

    #[track_caller]
    pub fn parse(text: &str) -> Self {
        Self(text.parse().unwrap_or_else(|error| panic!("the test's settings are no TOML: {error}\n{text}")))
    }

    /// Puts a value at a path such as "edge.timeouts.cache".
    #[must_use]
    pub fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (table, key) = self.table(path);
        table.insert(key.to_owned(), value.into());
        self
    }

    /// Puts it there if nothing is there.
    #[must_use]
    pub fn or(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (table, key) = self.table(path);
        table.entry(key).or_insert_with(|| value.into());
        self
    }

    /// Puts all keys of a table at a path.
    #[must_use]
    pub fn with_all(self, path: &str, table: &Table) -> Self {
        let pairs = table.iter();
        pairs.fold(self, |settings, (key, value)| settings.with(&format!("{path}.{key}"), value.clone()))
    }

    /// Adds a pool to `[[wsgi_adapter.pool]]`.
    #[must_use]
    pub fn pool(mut self, pool: Pool) -> Self {
        let (table, key) = self.table("wsgi_adapter.pool");
        match table.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(pools) => pools.push(Value::Table(pool.0)),
            other => panic!("wsgi_adapter.pool is {other}"),
        }
        self
    }

    /// The table that a path leads to, made where there is none, and the path's last part.
    fn table<'a>(&mut self, path: &'a str) -> (&mut Table, &'a str) {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        let names = tables.split('.').filter(|name| !name.is_empty());
        let table = names.fold(&mut self.0, |table, name| {
            let next = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            next.as_table_mut().unwrap_or_else(|| panic!("{path}: {name} is no table"))
        });
        (table, key)
    }

    /// Takes the last table out of a list of tables.
    #[must_use]
    pub fn without_last(mut self, path: &str) -> Self {
        let (table, key) = self.table(path);
        table[key].as_array_mut().unwrap_or_else(|| panic!("{path} is no list")).pop();
        self
    }

    /// Changes the first table of a list of tables.
    #[must_use]
    pub fn with_in_first(mut self, path: &str, key: &str, value: impl Into<Value>) -> Self {
        let (table, list) = self.table(path);
        let first = table[list].as_array_mut().and_then(|list| list.first_mut()?.as_table_mut());
        first.unwrap_or_else(|| panic!("{path} has no table")).insert(key.to_owned(), value.into());
        self
    }

    pub fn to_text(&self) -> String {
        self.text(&[])
    }

    /// Writes them to a file.
    pub fn write(&self, file: &Path) {
        fs::write(file, self.text(&[])).unwrap();
    }

    pub(crate) fn into_table(self) -> Table {
        self.0
    }

    /// The file's text, with these words replaced: `("$APP", "127.0.0.1:1")`.
    pub(crate) fn text(&self, words: &[(&str, String)]) -> String {
        let text = toml::to_string(&self.0).unwrap();
        words.iter().fold(text, |text, (word, value)| text.replace(word, value))
    }

    pub(crate) fn holds(&self, word: &str) -> bool {
        toml::to_string(&self.0).unwrap().contains(word)
    }
}

/// `[edge]` with one site, localhost, and these locations.
pub fn site(locations: impl IntoIterator<Item = Location>) -> Settings {
    let locations: Vec<Value> = locations.into_iter().map(|location| Value::Table(location.0)).collect();
    let site = Table::from_iter([
        ("server_name".to_owned(), Value::from(vec!["localhost"])),
        ("location".to_owned(), Value::Array(locations)),
    ]);
    Settings::default().with("edge.site", vec![Value::Table(site)])
}

/// `[[edge.site.location]]`.
#[derive(Clone, Debug)]
pub struct Location(Table);

impl Location {
    fn of(pattern: &str, key: &str, value: impl Into<Value>) -> Self {
        Self(Table::from_iter([("match".to_owned(), Value::from(pattern)), (key.to_owned(), value.into())]))
    }

    /// Goes straight through to the pool "app".
    pub fn passed(pattern: &str) -> Self {
        Self::of(pattern, "pool", "app")
    }

    /// Answers from the cache, before the pool "app".
    pub fn cached(pattern: &str, ttl: &str) -> Self {
        Self::passed(pattern).cache("ttl", ttl)
    }

    /// The microcache: pages live for a second, and are served for another one while they are refreshed.
    pub fn microcached(pattern: &str) -> Self {
        Self::cached(pattern, "1s").cache("stale_while_revalidate", "1s")
    }

    /// Serves files from a directory, such as "$DIR".
    pub fn files(pattern: &str, alias: &str) -> Self {
        Self::of(pattern, "alias", alias)
    }

    /// Answers only what the application sends here, from the files in a directory.
    pub fn internal(pattern: &str, alias: &str) -> Self {
        Self::files(pattern, alias).with("internal", true)
    }

    /// Goes to another pool than "app".
    #[must_use]
    pub fn pool(self, name: &str) -> Self {
        self.with("pool", name)
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// A key of the location's cache.
    #[must_use]
    pub fn cache(mut self, key: &str, value: impl Into<Value>) -> Self {
        let cache = self.0.entry("cache").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(cache) = cache {
            cache.insert(key.to_owned(), value.into());
        }
        self
    }
}

/// `[[wsgi_adapter.pool]]`.
#[derive(Clone, Debug)]
pub struct Pool(Table);

impl Pool {
    /// A pool of one server.
    pub fn new(name: &str, server: &str) -> Self {
        Self(Table::from_iter([
            ("name".to_owned(), Value::from(name)),
            ("servers".to_owned(), Value::from(vec![server])),
        ]))
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}
