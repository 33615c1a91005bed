//! What the edges have told in the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use crate::plane::Plane;

/// The time that the figures are about.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Lines of an edge that are kept, one for each second.
const MOST: usize = 600;

/// All edges.
pub(super) struct Readings {
    pub(super) edges: Vec<EdgeReading>,
    window: Duration,
}

/// One edge.
pub(super) struct EdgeReading {
    pub(super) address: String,
    /// The latest lines, the newest last. The first is where the counts begin.
    pub(super) lines: VecDeque<Value>,
    pub(super) pools: Vec<Value>,
    /// Why it tells nothing.
    pub(super) gone: Option<String>,
}

impl Readings {
    pub(super) fn new(edges: &[Plane], window: Duration) -> Self {
        let edge = |plane: &Plane| EdgeReading {
            address: plane.address.clone(),
            lines: VecDeque::new(),
            pools: Vec::new(),
            gone: None,
        };
        Self { edges: edges.iter().map(edge).collect(), window }
    }

    pub(super) fn line(&mut self, edge: usize, line: &str) {
        let most = usize::try_from(self.window.as_secs()).unwrap_or(MOST).clamp(1, MOST - 1) + 1;
        let (Some(edge), Ok(line)) = (self.edges.get_mut(edge), serde_json::from_str::<Value>(line)) else {
            return;
        };
        let uptime = |line: &Value| line["status"]["uptime_s"].as_f64().unwrap_or_default();
        if edge.lines.back().is_some_and(|last| uptime(last) > uptime(&line)) {
            // It was restarted: its counts begin anew.
            edge.lines.clear();
        }
        edge.gone = None;
        edge.lines.push_back(line);
        while edge.lines.len() > most {
            edge.lines.pop_front();
        }
    }

    pub(super) fn pools(&mut self, edge: usize, text: &str) {
        if let (Some(edge), Ok(Value::Object(mut told))) =
            (self.edges.get_mut(edge), serde_json::from_str(text))
        {
            edge.pools = match told.remove("pools") {
                Some(Value::Array(pools)) => pools,
                _ => Vec::new(),
            };
        }
    }

    pub(super) fn gone(&mut self, edge: usize, why: String) {
        if let Some(edge) = self.edges.get_mut(edge) {
            edge.gone = Some(why);
            edge.lines.clear();
        }
    }

    /// Whether each edge that answers has told of the whole time.
    pub(super) fn are_full(&self) -> bool {
        let wanted = usize::try_from(self.window.as_secs()).unwrap_or(MOST).clamp(1, MOST - 1) + 1;
        self.edges.iter().all(|edge| edge.gone.is_some() || edge.lines.len() >= wanted)
    }
}

impl EdgeReading {
    /// The first and the last status of the time.
    pub(super) fn statuses(&self) -> Option<(&Value, &Value)> {
        Some((&self.lines.front()?["status"], &self.lines.back()?["status"]))
    }

    /// The lines of the time without the first, which tells of the time before.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().skip(1)
    }
}
