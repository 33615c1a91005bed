//! The metrics of a process as a scraper gets them, in the two text formats it may ask for.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// All metrics of one process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Exposition(Arc<Mutex<Registry>>);

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0, which Prometheus asks for.
    OpenMetrics,
    /// The older Prometheus format 0.0.4, for all others.
    Prometheus,
}

impl Exposition {
    /// Adds metrics: what `register` puts into the registry.
    pub fn add(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.0.lock());
    }

    /// The values now. `Err` where a metric cannot be printed, which is its own fault.
    pub fn text(&self, format: Format) -> Result<String, fmt::Error> {
        let mut openmetrics = String::new();
        text::encode(&mut openmetrics, &self.0.lock())?;
        match format {
            Format::OpenMetrics => Ok(openmetrics),
            Format::Prometheus => Ok(to_prometheus(&openmetrics)),
        }
    }
}

impl Format {
    /// What an `Accept` field asks for.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Rewrites OpenMetrics, as prometheus-client prints it, to the Prometheus format. There a counter's or
/// info's name in HELP and TYPE has the suffix of its samples; UNIT and EOF do not exist; the samples are the
/// same.
fn to_prometheus(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    // HELP stands before the TYPE that decides its name.
    let mut help = "";
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            text.push_str(&format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapers_get_what_they_ask_for() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus_2, Format::OpenMetrics),
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/plain;version=0.0.4", Format::Prometheus),
        ] {
            assert_eq!(Format::accepted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn rewrites_names_and_keeps_samples() {
        let openmetrics = "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"# HELP\"} 1\n\
                           # HELP build Version.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n\
                           # HELP g Gauge.\n# TYPE g gauge\ng 2\n# EOF\n";
        let prometheus = "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\na_bytes_total{x=\"# HELP\"} 1\n\
                          # HELP build_info Version.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n\
                          # HELP g Gauge.\n# TYPE g gauge\ng 2\n";
        assert_eq!(to_prometheus(openmetrics), prometheus);
    }
}
