//! Figures that other parts of the edge keep themselves. They are read when somebody scrapes, not written as
//! they change.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// One reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Pages in L1 now.
    pub l1_entries: u64,
    /// The memory that they use.
    pub l1_bytes: u64,
    /// Requests answered from L1 since the start.
    pub l1_hits: u64,
    /// Pages evicted since the start.
    pub l1_evictions: u64,
    /// Pages being fetched now.
    pub fills: u64,
    /// Bytes of pages that are being made or read now.
    pub bodies: u64,
    /// Bytes of compressed copies of pages and files.
    pub compressed: u64,
    /// The wsgi-adapters that are known now, and the number of them that answer.
    pub adapters: (usize, usize),
    /// Lines that the access log could not keep or write since the start.
    pub access_log_dropped: u64,
}

/// Takes readings.
#[derive(Clone)]
pub(super) struct Sampler(Arc<dyn Fn() -> Sample + Send + Sync>);

impl Sampler {
    pub(super) fn new(sample: impl Fn() -> Sample + Send + Sync + 'static) -> Self {
        Self(Arc::new(sample))
    }

    pub(super) fn sample(&self) -> Sample {
        (self.0)()
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampler")
    }
}

impl Collector for Sampler {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sampled = self.sample();
        let gauges = [
            ("l1_entries", None, "Pages in the edge's own memory.", sampled.l1_entries),
            (
                "l1",
                Some(&Unit::Bytes),
                "Memory used by the pages in the edge's own memory.",
                sampled.l1_bytes,
            ),
            ("fills_active", None, "Pages being fetched now.", sampled.fills),
            ("bodies", Some(&Unit::Bytes), "Pages on their way to clients.", sampled.bodies),
            (
                "compressed",
                Some(&Unit::Bytes),
                "Memory used by compressed copies of pages and files.",
                sampled.compressed,
            ),
        ];
        let (known, alive) = sampled.adapters;
        let gauges = gauges.into_iter().chain([
            ("wsgi_adapters", None, "wsgi-adapters that this edge knows.", known as u64),
            ("wsgi_adapters_alive", None, "wsgi-adapters that answer.", alive as u64),
        ]);
        for (name, unit, help, value) in gauges {
            ConstGauge::new(value).encode(encoder.encode_descriptor(
                name,
                help,
                unit,
                MetricType::Gauge,
            )?)?;
        }
        let counters = [
            ("l1_hits", "Requests answered from the edge's own memory.", sampled.l1_hits),
            ("l1_evictions", "Pages evicted from the edge's own memory.", sampled.l1_evictions),
            ("access_log_dropped_lines", "Access log lines not written.", sampled.access_log_dropped),
        ];
        for (name, help, value) in counters {
            ConstCounter::new(value).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Counter,
            )?)?;
        }
        Ok(())
    }
}
