//! docs/settings.md says of each key what the settings types say: its name, its type, its default.
//!
//! The types are asked from outside: which keys a table takes (an unknown key is answered with the known
//! ones), what values a key takes, and whether a table with the documented default is the one without the
//! key.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

#[path = "settings_doc/schema.rs"]
mod schema;

use std::collections::BTreeSet;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use settings_doc::{Row, TableOfSettings, backticked, parts};
use toml::{Table, Value};

const DOC: &str = "docs/settings.md";

/// Left out, the code behind them puts the documented value in their place.
const DECIDED_LATER: [(&str, &str); 29] = [
    ("[[edge.site]]", "body_buffer"),
    ("[[edge.site]]", "body_file"),
    ("[[edge.site]]", "index"),
    ("[[edge.site]]", "access_log"),
    ("[[edge.site]]", "max_body"),
    ("[[edge.site]]", "expires"),
    ("[[edge.site]]", "intercept_errors"),
    ("[[edge.site]]", "recursive_error_pages"),
    ("[[edge.site]]", "gunzip"),
    ("[[edge.site]]", "limit_except"),
    ("[[edge.site]]", "autoindex"),
    ("[[edge.site]]", "default_type"),
    ("[[edge.site]]", "absolute_redirect"),
    ("[[edge.site]]", "server_name_in_redirect"),
    ("[[edge.site]]", "port_in_redirect"),
    ("[[edge.site]]", "symlinks"),
    ("[[edge.site]]", "precompressed"),
    ("[[edge.site]]", "log_not_found"),
    ("[[edge.site]]", "nosniff"),
    ("[[edge.site]]", "priority"),
    ("[[edge.site]]", "request_buffering"),
    ("[[edge.site]]", "buffering"),
    ("[[edge.site]]", "ignore_client_abort"),
    ("[[edge.site]]", "access"),
    ("[[edge.site]]", "satisfy"),
    ("[[edge.site]]", "limit_req"),
    ("[[edge.site]]", "limit_conn"),
    ("[[edge.site]]", "limit_rate"),
    ("[[edge.site]]", "limit_rate_after"),
];

/// One table of the document: the heading that it stands below, the number of the table there, the settings
/// type, and the least that the type needs.
struct Section {
    heading: &'static str,
    nth: usize,
    least: &'static str,
    /// The type's Debug form, or what is wrong.
    read: fn(Table) -> Result<String, String>,
}

fn sections() -> Vec<Section> {
    use edge::settings::{
        AcmeConfig, AuthRequestTable, CacheConfig, ClientCertificateConfig, CompressTable, CorsConfig,
        ErrorLogConfig, L1Config, LimitConnConfig, LimitReqConfig, Limits, ListenerBoundsConfig,
        LocationConfig, LogConfig, PeersConfig, PoolChoiceConfig, PoolRequestConfig, RecodeConfig,
        ReplaceConfig, ReplyFieldConfig, ReplyRewriteConfig, RequestFieldConfig, SecureLinkConfig,
        SiteConfig, Timeouts, TrailerConfig, ZoneConfig,
    };
    use edge::variables::{GeoConfig, MapConfig, SplitConfig};
    use wsgi_adapter::{CheckConfig, EjectConfig, PoolConfig, ServerConfig, ServerTlsConfig, StickyConfig};

    let section = |heading, read| Section { heading, nth: 0, least: "", read };
    let needs = |heading, least, read| Section { heading, nth: 0, least, read };
    let files = |table| {
        let config: edge::Config = read_table(Table::from_iter([("files".to_owned(), Value::Table(table))]))?;
        Ok(format!("{:?}", config.files))
    };
    let peers = "cache_node = 'http://n:1'\nwsgi_adapter = 'http://a:1'";
    let tls = "certificate = 'a'\nkey = 'b'\nca = 'c'";
    vec![
        section("[edge]", debug::<edge::Config>),
        section("Client certificates", debug::<ClientCertificateConfig>),
        section("bounds", debug::<ListenerBoundsConfig>),
        section("[edge.acme]", debug::<AcmeConfig>),
        section("[edge.l1]", debug::<L1Config>),
        needs("[edge.peers]", peers, debug::<PeersConfig>),
        Section { nth: 1, ..needs("[edge.peers]", tls, debug::<weir_proto::tls::TlsConfig>) },
        section("[edge.timeouts]", debug::<Timeouts>),
        section("[edge.limits]", debug::<Limits>),
        section("[edge.files]", files),
        section("[[edge.site]]", debug::<SiteConfig>),
        needs("[[edge.site.location]]", "match = '/'", debug::<LocationConfig>),
        section("compress", debug::<CompressTable>),
        needs("auth_request", "uri = '/a'", debug::<AuthRequestTable>),
        needs("secure_link", "link = '$uri'\nmd5 = '$uri'", debug::<SecureLinkConfig>),
        section("[edge.limit_zones.NAME]", debug::<ZoneConfig>),
        needs("limit_req", "zone = 'a'", debug::<LimitReqConfig>),
        needs("limit_conn", "zone = 'a'\nconnections = 1", debug::<LimitConnConfig>),
        section("[edge.site.location.cache]", debug::<CacheConfig>),
        needs("[[edge.map]]", "variable = 'a'\nfrom = 'b'", debug::<MapConfig>),
        needs("[[edge.geo]]", "variable = 'a'", debug::<GeoConfig>),
        needs("[[edge.split]]", "variable = 'a'\nfrom = 'b'\nparts = []", debug::<SplitConfig>),
        section("reply_fields", debug::<ReplyFieldConfig>),
        section("reply_rewrite", debug::<ReplyRewriteConfig>),
        needs("pool_choice", "by = '$a'", debug::<PoolChoiceConfig>),
        section("pool_request", debug::<PoolRequestConfig>),
        needs("replace", "texts = []", debug::<ReplaceConfig>),
        needs("recode", "charset = ''", debug::<RecodeConfig>),
        needs("trailers", "add = 'a'\nvalue = ''", debug::<TrailerConfig>),
        section("request_fields", debug::<RequestFieldConfig>),
        needs("cors", "origins = []", debug::<CorsConfig>),
        needs("logs", "to = 'stdout'", debug::<LogConfig>),
        needs("error_log", "to = 'stdout'", debug::<ErrorLogConfig>),
        section("[cache_node]", debug::<cache_node::Config>),
        needs("[cache_node.redis]", "url = 'redis://n'", debug::<cache_node::RedisConfig>),
        section("[wsgi_adapter]", debug::<wsgi_adapter::Config>),
        section("[[wsgi_adapter.pool]]", debug::<PoolConfig>),
        needs("servers", "address = '127.0.0.1:1'", debug::<ServerConfig>),
        section("[wsgi_adapter.pool.tls]", debug::<ServerTlsConfig>),
        section("[wsgi_adapter.pool.sticky]", debug::<StickyConfig>),
        section("[wsgi_adapter.pool.check]", debug::<CheckConfig>),
        section("[wsgi_adapter.pool.eject]", debug::<EjectConfig>),
    ]
}

fn debug<T: DeserializeOwned + Debug>(table: Table) -> Result<String, String> {
    read_table::<T>(table).map(|read| format!("{read:?}"))
}

fn read_table<T: DeserializeOwned>(table: Table) -> Result<T, String> {
    table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

#[test]
fn each_key_is_documented_with_its_type_and_default() {
    let mut faults = Vec::new();
    let mut tables = settings_doc::tables();
    for section in sections() {
        let known =
            tables.iter().position(|table: &TableOfSettings| table.id.is(section.heading, section.nth));
        let Some(at) = known else {
            faults.push(format!("{DOC} has no table below {} (table {})", section.heading, section.nth + 1));
            continue;
        };
        let TableOfSettings { rows, .. } = tables.remove(at);
        compare_keys(&section, &rows, &mut faults);
        for row in &rows {
            compare_row(&section, row, &mut faults);
        }
    }
    for TableOfSettings { id, .. } in tables {
        faults.push(format!(
            "{DOC}: weir/tests/settings_doc.rs does not know whose table {} below {} is",
            id.nth + 1,
            id.heading
        ));
    }
    assert!(faults.is_empty(), "settings and document differ:\n{}", faults.join("\n"));
}

/// Both ways: what the type takes and what the document lists.
fn compare_keys(section: &Section, rows: &[Row], faults: &mut Vec<String>) {
    let documented: BTreeSet<String> = rows.iter().flat_map(|row| row.keys.clone()).collect();
    let taken = keys_taken(|unknown| (section.read)(with(section, &unknown, Value::Boolean(true))));
    for key in taken.difference(&documented) {
        faults.push(format!("{DOC}, {}: `{key}` has no row", section.heading));
    }
    for key in documented.difference(&taken) {
        faults.push(format!("{DOC}, {}: there is no setting `{key}`", section.heading));
    }
}

/// The names that an error about an unknown key lists.
fn keys_taken(read_with: impl FnOnce(String) -> Result<String, String>) -> BTreeSet<String> {
    let error = read_with("no-such-key".to_owned()).expect_err("an unknown key is a mistake");
    backticked(error.split_once("expected").map_or("", |(_, names)| names)).into_iter().collect()
}

fn compare_row(section: &Section, row: &Row, faults: &mut Vec<String>) {
    for key in &row.keys {
        let mut fault = |text: String| faults.push(format!("{DOC}, line {}: `{key}` {text}", row.line));
        let default = row.default_of(key);
        compare_default(section, key, default, &mut fault);
        compare_kind(section, key, &row.kind, &mut fault);
    }
}

fn compare_default(section: &Section, key: &str, default: &str, fault: &mut impl FnMut(String)) {
    if default == "below" {
        return;
    }
    let least: Table = section.least.parse().unwrap();
    if default.starts_with("needed") {
        let mut without = least;
        without.remove(key);
        // Some are missed by `check` only, which says so in better words than serde: they are empty.
        if (section.read)(without).is_ok_and(|debug| field(&debug, key).is_some_and(|value| !is_empty(value)))
        {
            fault("is needed by the document only: it may be left out".to_owned());
        }
        return;
    }
    let without = match (section.read)(least) {
        Ok(debug) => debug,
        Err(error) => return fault(format!("cannot be left out: {error}")),
    };
    let Some(documented) = literal(default) else {
        match field(&without, key) {
            Some(value) if is_empty(value) => {}
            Some(value) => fault(format!("has the default {value}, not {default:?}")),
            None => fault(format!("is not found in {without}")),
        }
        return;
    };
    match (section.read)(with(section, key, documented.clone())) {
        Ok(debug) if debug == without || DECIDED_LATER.contains(&(section.heading, key)) => {}
        Ok(debug) => fault(format!(
            "has the default {}, not {}",
            field(&without, key).unwrap_or("?"),
            field(&debug, key).unwrap_or(default)
        )),
        Err(error) => fault(format!("does not take its default {default}: {error}")),
    }
    // A default that is written as a table lists all its keys.
    if let Value::Table(table) = documented
        && !table.is_empty()
    {
        let taken = keys_taken(|unknown| {
            let mut more = table.clone();
            more.insert(unknown, Value::Boolean(true));
            (section.read)(with(section, key, Value::Table(more)))
        });
        let named: BTreeSet<String> = table.keys().cloned().collect();
        if taken != named {
            fault(format!("takes the keys {taken:?}, its default names {named:?}"));
        }
    }
}

/// What values of the type the key has to take, and what others it has to refuse.
fn compare_kind(section: &Section, key: &str, kind: &str, fault: &mut impl FnMut(String)) {
    let text = |text: &str| Value::String(text.to_owned());
    let (taken, refused) = match kind.split([' ', ',']).next().unwrap_or_default() {
        "" => return,
        "tables" | "table" | "list" => (vec![], vec![Value::Boolean(true)]),
        "time" => (vec![text("7s")], vec![text("7KiB"), Value::Boolean(true)]),
        "size" => (vec![text("7KiB")], vec![text("7s"), Value::Boolean(true)]),
        "boolean" => (vec![true.into(), false.into()], vec![text("no-such")]),
        "number" => (vec![1.into()], vec![text("no-such"), Value::Boolean(true)]),
        "URL" => (vec![text("http://x:1")], vec![Value::Boolean(true)]),
        "text" | "name" | "path" | "file" | "directory" | "address" => (vec![], vec![Value::Boolean(true)]),
        "`{" => (vec![], vec![Value::Boolean(true)]),
        _ if kind.ends_with('`') => {
            let words = backticked(kind).iter().map(|word| text(word.trim_matches('"'))).collect();
            (words, vec![text("no-such")])
        }
        _ if kind.ends_with("or a file") => (vec![text("x")], vec![Value::Boolean(true)]),
        _ => return fault(format!("has the type {kind:?}, which weir/tests/settings_doc.rs does not know")),
    };
    for value in taken {
        if let Err(error) = (section.read)(with(section, key, value.clone())) {
            fault(format!("does not take {value:?}, though it is a {kind}: {error}"));
        }
    }
    for value in refused {
        let Err(error) = (section.read)(with(section, key, value.clone())) else {
            fault(format!("takes {value:?}, though it is a {kind}"));
            continue;
        };
        let words: BTreeSet<_> =
            backticked(kind).iter().map(|word| word.trim_matches('"').to_owned()).collect();
        let others = keys_taken(|_| Err(error.clone()));
        if error.contains("unknown variant") && others != words {
            fault(format!("is one of {others:?}, the document says {kind}"));
        }
    }
}

fn with(section: &Section, key: &str, value: Value) -> Table {
    let mut table: Table = section.least.parse().unwrap();
    table.insert(key.to_owned(), value);
    table
}

/// The value of a field in the Debug form of a struct.
fn field<'a>(debug: &'a str, key: &str) -> Option<&'a str> {
    let inner = debug.split_once('{')?.1.strip_suffix('}')?;
    parts(inner, ',').into_iter().find_map(|part| part.trim().strip_prefix(key)?.strip_prefix(": "))
}

fn is_empty(value: &str) -> bool {
    let inner = value.rsplit_once('(').map_or(value, |(_, inner)| inner.trim_end_matches(')'));
    ["None", "\"\"", "[]", "{}"].contains(&inner)
}

/// The value, if the cell is one piece of TOML.
fn literal(cell: &str) -> Option<Value> {
    let text = cell.strip_prefix('`')?.strip_suffix('`')?;
    format!("value = {text}").parse::<Table>().ok()?.remove("value")
}

/// A reason names the setting behind it; whoever looks it up finds it.
#[test]
fn each_setting_that_a_reason_names_is_documented() {
    let keys: BTreeSet<String> =
        settings_doc::tables().into_iter().flat_map(|table| table.rows).flat_map(|row| row.keys).collect();
    for reason in http_cache::Reason::ALL {
        for part in reason.rule().split(", ") {
            if let Some(setting) = part.strip_prefix("setting ") {
                assert!(keys.contains(setting), "{}: there is no setting `{setting}`", reason.as_str());
            }
        }
    }
}
