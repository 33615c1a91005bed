//! The logs that the settings add beside the access log, each destination open once.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use process::telemetry::request_log;

use crate::log::access_log::{AccessLog, Destination, Format, OpenError, Record};
use crate::log::error_log::RequestErrorLog;
use crate::request::Request;
use crate::route::logs::{LineFormat, LogRule};
use crate::route::{Location, Sites};
use crate::variables::Facts;

pub(crate) type OpenLogs = HashMap<Box<str>, Arc<AccessLog>, ahash::RandomState>;

#[derive(Debug, Default)]
pub(crate) struct OwnLogs {
    open: ArcSwap<OpenLogs>,
    /// Those whose names depend on requests.
    varying: Mutex<OpenLogs>,
}

/// So many logs are open whose names depend on requests.
const MOST_VARYING: usize = 64;

impl OwnLogs {
    /// Opens what these sites name and is not open.
    pub(crate) fn prepare(&self, sites: &Sites) -> Result<OpenLogs, OpenError> {
        let before = self.open.load();
        let mut open = OpenLogs::default();
        let of_requests = sites.logs().filter(|rule| rule.is_fixed()).map(|rule| &rule.to);
        for to in of_requests.chain(sites.error_logs().map(|rule| &rule.to)) {
            if open.contains_key(to) {
                continue;
            }
            let log = match before.get(to) {
                Some(log) => log.clone(),
                None => Arc::new(AccessLog::open(&Destination::from(&**to), Format::Combined)?),
            };
            open.insert(to.clone(), log);
        }
        Ok(open)
    }

    /// Writes into these from now on, and lets go of all others.
    pub(crate) fn take_over(&self, open: OpenLogs, sites: &Sites) {
        request_log::set_most_detailed(sites.error_logs().map(|rule| rule.level).max());
        let before = self.open.load_full();
        let some_end = before.keys().any(|to| !open.contains_key(to));
        self.open.store(Arc::new(open));
        if some_end {
            // A log that ends writes what it holds, and nobody waits for that.
            let _ = std::thread::Builder::new().name("log-end".into()).spawn(move || drop(before));
        }
    }

    pub(crate) fn reopen(&self) {
        self.open.load().values().for_each(|log| log.reopen());
        self.varying.lock().values().for_each(|log| log.reopen());
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.open.load().values().map(|log| log.dropped()).sum()
    }

    /// From here on lines about the request go to the error logs of its location, if it has some.
    pub(crate) fn say_here(&self, request: &Request, location: &Location) {
        let Some(rules) = &location.error_logs else { return request_log::write_to(None) };
        let open = self.open.load();
        let logs = rules.iter().filter_map(|rule| Some((open.get(&rule.to)?.clone(), rule.level)));
        request_log::write_to(Some(RequestErrorLog::new(logs.collect(), request, location)));
    }

    /// The log of this name.
    fn named(&self, name: &str) -> Option<Arc<AccessLog>> {
        let mut varying = self.varying.lock();
        if let Some(known) = varying.get(name) {
            return Some(known.clone());
        }
        let opened = match AccessLog::open(&Destination::from(name), Format::Combined) {
            Ok(log) => Arc::new(log),
            Err(error) => {
                tracing::error!(%error, "cannot open the log");
                return None;
            }
        };
        if varying.len() >= MOST_VARYING {
            let before = std::mem::take(&mut *varying);
            // They write what they hold, and nobody waits for that.
            let _ = std::thread::Builder::new().name("log-end".into()).spawn(move || drop(before));
        }
        varying.insert(name.into(), opened.clone());
        Some(opened)
    }

    /// Writes the request into each log that takes it.
    pub(crate) fn write(&self, rules: &[LogRule], facts: &Facts<'_>, record: &Record<'_>) {
        let open = self.open.load();
        for rule in rules {
            let facts = rule.with_definitions(facts);
            if !rule.takes(&facts, rand::random::<f64>) {
                continue;
            }
            let named = rule.varying(&facts).map(|name| self.named(&name?));
            let log = match &named {
                Some(named) => named.as_ref(),
                None => open.get(&rule.to),
            };
            let Some(log) = log else { continue };
            match &rule.line {
                LineFormat::Combined => log.log_as(Format::Combined, record),
                LineFormat::Json => log.log_as(Format::Json, record),
                LineFormat::Own(format) => log.log_own(format, &facts),
            }
        }
    }
}
