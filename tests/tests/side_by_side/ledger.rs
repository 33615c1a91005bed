//! What came of a feature's requests.

use std::collections::BTreeMap;
use std::fmt;

use side_by_side::{Difference, Probe};

/// Requests that are printed of each kind of difference; the rest is counted.
const MOST_SHOWN: usize = 1;

/// The row of a feature.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) feature: String,
    /// Answers of Weir that were compared.
    pub(crate) asked: usize,
    pub(crate) different: usize,
    /// Intended differences, and how often each was seen.
    intended: BTreeMap<&'static str, usize>,
    /// The others by their kind: how many, and the first of them.
    kinds: BTreeMap<String, (usize, Vec<String>)>,
}

impl Ledger {
    pub(crate) fn new(feature: &str) -> Self {
        Self { feature: feature.to_owned(), ..Self::default() }
    }

    /// Takes down what differed in one answer, of a program over a protocol.
    pub(crate) fn add(&mut self, probe: &Probe, by: &str, found: &[Difference]) {
        self.asked += 1;
        for name in found.iter().filter_map(|difference| difference.intended) {
            *self.intended.entry(name).or_default() += 1;
        }
        let left: Vec<&Difference> = found.iter().filter(|found| found.intended.is_none()).collect();
        self.different += usize::from(!left.is_empty());
        for Difference { what, nginx, weir, .. } in left {
            let text = format!("{what}: nginx {nginx}, Weir {weir}");
            let place = probe.path().split('/').nth(1).unwrap_or_default();
            let kind = if what == "status" { text.clone() } else { format!("{what} below /{place}") };
            let (count, shown) = self.kinds.entry(kind).or_default();
            *count += 1;
            if shown.len() < MOST_SHOWN {
                shown.push(format!("    {by}: {probe}\n      {text}"));
            }
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feature, asked, different, .. } = self;
        let intended: usize = self.intended.values().sum();
        writeln!(f, "| {feature} | {asked} | {} | {intended} | {different} |", asked - different)?;
        for (name, count) in &self.intended {
            writeln!(f, "  as intended, {count} times: {name}")?;
        }
        for (count, shown) in self.kinds.values() {
            writeln!(f, "  {count} times such as\n{}", shown.join("\n"))?;
        }
        Ok(())
    }
}
