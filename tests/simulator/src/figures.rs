//! What services say of themselves in their metrics, read when all is at rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use admin::{Exposition, Format};
use parking_lot::Mutex;

use crate::services::Service;

/// What is nothing when nobody asks for anything.
const HELD: &[&str] = &[
    "weir_edge_connections_active",
    "weir_edge_requests_active",
    "weir_edge_fills_active",
    "weir_edge_bodies_bytes",
    "weir_cache_node_streams",
    "weir_cache_node_waiting",
    "weir_wsgi_adapter_in_flight",
    "weir_wsgi_adapter_queued",
];

/// The metrics of the services that run. Cheap to clone.
#[derive(Clone, Default)]
pub struct Figures(Arc<Mutex<BTreeMap<Service, Exposition>>>);

impl Figures {
    /// These are the service's from now on.
    pub fn show(&self, service: Service, exposition: Exposition) {
        self.0.lock().insert(service, exposition);
    }

    /// The bytes of pages on their way at the edge that has most of them.
    pub fn bodies(&self) -> u64 {
        let of = |exposition: &Exposition| {
            let text = exposition.text(Format::OpenMetrics).unwrap_or_default();
            text.lines().find_map(|line| line.strip_prefix("weir_edge_bodies_bytes ")?.parse::<u64>().ok())
        };
        self.0.lock().values().filter_map(of).max().unwrap_or_default()
    }

    /// What is held, one line each, and which of these figures nobody shows.
    pub fn held(&self) -> Vec<String> {
        let mut shown = Vec::new();
        for (service, exposition) in &*self.0.lock() {
            let text = exposition.text(Format::OpenMetrics).unwrap_or_default();
            shown.extend(text.lines().map(|line| (service.name(), line.to_owned())));
        }
        let mut found = Vec::new();
        for name in HELD {
            let of_name = |(_, line): &&(String, String)| line.starts_with(name);
            if !shown.iter().any(|line| of_name(&line)) {
                found.push(format!("nobody shows {name}"));
            }
            let held = shown.iter().filter(of_name).filter(|(_, line)| !line.ends_with(" 0"));
            found.extend(held.map(|(service, line)| format!("{service}: {line}")));
        }
        found
    }
}
