//! The place of a connection among all, and among those of its core.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::listen::crowd::Place;
use crate::metrics::GaugeGuard;

/// Counts the connection while it exists.
pub(crate) struct Seat {
    place: Place,
    _active: GaugeGuard,
    _core: Option<CoreSeat>,
}

/// How many connections each core has.
pub(crate) type CoreCounts = Arc<[AtomicUsize]>;

/// Counts a connection of a core while it exists.
struct CoreSeat {
    counts: CoreCounts,
    index: usize,
}

impl Seat {
    pub(crate) fn new(place: Place, active: GaugeGuard) -> Self {
        Self { place, _active: active, _core: None }
    }

    /// The connection is this client's, as the PROXY protocol says. False: it has its share already.
    pub(crate) fn belongs_to(&mut self, client: IpAddr) -> bool {
        self.place.belongs_to(client)
    }

    /// Counts it among the connections of a core as well.
    pub(crate) fn on(self, counts: &CoreCounts, index: usize) -> Self {
        if let Some(count) = counts.get(index) {
            count.fetch_add(1, Relaxed);
        }
        Self { _core: Some(CoreSeat { counts: counts.clone(), index }), ..self }
    }
}

impl Drop for CoreSeat {
    fn drop(&mut self) {
        if let Some(count) = self.counts.get(self.index) {
            count.fetch_sub(1, Relaxed);
        }
    }
}
