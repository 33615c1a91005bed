//! The logs that the settings add beside the access log, each destination open once.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::log::access_log::{AccessLog, Destination, Format, OpenError, Record};
use crate::route::Sites;
use crate::route::logs::{LineFormat, LogRule};
use crate::variables::Facts;

type OpenLogs = HashMap<Box<str>, Arc<AccessLog>, ahash::RandomState>;

#[derive(Debug, Default)]
pub(crate) struct OwnLogs(ArcSwap<OpenLogs>);

impl OwnLogs {
    /// Opens what these sites name and is not open, and lets go of what they no longer name.
    pub(crate) fn open(&self, sites: &Sites) -> Result<(), OpenError> {
        let before = self.0.load_full();
        let mut open = OpenLogs::default();
        for rule in sites.logs() {
            if open.contains_key(&rule.to) {
                continue;
            }
            let log = match before.get(&rule.to) {
                Some(log) => log.clone(),
                None => Arc::new(AccessLog::open(&Destination::from(&*rule.to), Format::Combined)?),
            };
            open.insert(rule.to.clone(), log);
        }
        let some_end = before.keys().any(|to| !open.contains_key(to));
        self.0.store(Arc::new(open));
        if some_end {
            // A log that ends writes what it holds, and nobody waits for that.
            let _ = std::thread::Builder::new().name("log-end".into()).spawn(move || drop(before));
        }
        Ok(())
    }

    pub(crate) fn reopen(&self) {
        self.0.load().values().for_each(|log| log.reopen());
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.0.load().values().map(|log| log.dropped()).sum()
    }

    /// Writes the request into each log that takes it.
    pub(crate) fn write(&self, rules: &[LogRule], facts: &Facts<'_>, record: &Record<'_>) {
        let open = self.0.load();
        for rule in rules {
            let Some(log) = open.get(&rule.to) else { continue };
            let facts = rule.with_definitions(facts);
            if !rule.takes(&facts, rand::random::<f64>) {
                continue;
            }
            match &rule.line {
                LineFormat::Combined => log.log_as(Format::Combined, record),
                LineFormat::Json => log.log_as(Format::Json, record),
                LineFormat::Own(format) => log.log_own(format, &facts),
            }
        }
    }
}
