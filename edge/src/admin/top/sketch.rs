//! The most frequent of names that nobody knows beforehand, in bounded memory: the Space-Saving sketch of
//! Metwally, Agrawal and El Abbadi (2005). A name that has no place takes that of the lightest, with its
//! weight, so that a heavy name is never missed, and a weight is too large by at most `over`.

use std::collections::HashMap;

use serde::Serialize;

/// What is added up of a name's records.
pub(super) trait Tally: Default {
    type Record;

    fn add(&mut self, record: &Self::Record);
}

/// Names with their weights.
pub(super) struct Sketch<T> {
    places: HashMap<Box<str>, SketchEntry<T>, ahash::RandomState>,
    most: usize,
}

#[derive(Debug)]
struct SketchEntry<T> {
    weight: u64,
    over: u64,
    tally: T,
}

/// One line of a table.
#[derive(Debug, Serialize)]
pub(super) struct NamedTally<T> {
    name: Box<str>,
    /// What the table is sorted by.
    weight: u64,
    /// The weight may be too large by this.
    over: u64,
    #[serde(flatten)]
    tally: T,
}

impl<T: Tally> Sketch<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { places: HashMap::default(), most }
    }

    /// Adds to a name's weight.
    pub(super) fn add(&mut self, name: &str, weight: u64, record: &T::Record) {
        let entry = match self.places.get_mut(name) {
            Some(entry) => entry,
            None => {
                let over = self.make_room();
                let entry = SketchEntry { weight: over, over, tally: T::default() };
                self.places.entry(name.into()).or_insert(entry)
            }
        };
        entry.weight = entry.weight.saturating_add(weight);
        entry.tally.add(record);
    }

    /// Makes a name's weight at least this: the table is by the largest.
    pub(super) fn raise(&mut self, name: &str, weight: u64, record: &T::Record) {
        if !self.places.contains_key(name) {
            if self.places.len() == self.most && self.lightest().is_some_and(|(_, least)| least >= weight) {
                return;
            }
            self.make_room();
        }
        let entry = self.places.entry(name.into()).or_insert_with(|| SketchEntry {
            weight: 0,
            over: 0,
            tally: T::default(),
        });
        entry.weight = entry.weight.max(weight);
        entry.tally.add(record);
    }

    /// Removes the lightest name if there is no room, and returns its weight.
    fn make_room(&mut self) -> u64 {
        if self.places.len() < self.most {
            return 0;
        }
        let Some((name, weight)) = self.lightest() else { return 0 };
        self.places.remove(&name);
        weight
    }

    fn lightest(&self) -> Option<(Box<str>, u64)> {
        let lightest = self.places.iter().min_by_key(|(_, entry)| entry.weight);
        lightest.map(|(name, entry)| (name.clone(), entry.weight))
    }

    /// The heaviest first.
    pub(super) fn shown(self, most: usize) -> Vec<NamedTally<T>> {
        let mut all: Vec<_> = self
            .places
            .into_iter()
            .map(|(name, SketchEntry { weight, over, tally })| NamedTally { name, weight, over, tally })
            .collect();
        all.sort_unstable_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Serialize)]
    struct Count(u64);

    impl Tally for Count {
        type Record = ();

        fn add(&mut self, (): &()) {
            self.0 += 1;
        }
    }

    #[test]
    fn a_heavy_name_is_not_missed_among_many_light_ones() {
        let mut sketch = Sketch::<Count>::new(8);
        for n in 0..1000 {
            sketch.add(&format!("light{n}"), 1, &());
            if n % 3 == 0 {
                sketch.add("heavy", 1, &());
            }
        }
        assert_eq!(sketch.places.len(), 8);
        let shown = sketch.shown(3);
        assert_eq!(shown.len(), 3);
        assert_eq!(&*shown[0].name, "heavy");
        // Never too little, and too much by no more than it says.
        assert!(shown[0].weight >= 334 && shown[0].weight - shown[0].over <= 334, "{:?}", shown[0]);
    }

    #[test]
    fn the_largest_stay() {
        let mut sketch = Sketch::<Count>::new(2);
        for (name, weight) in [("a", 5), ("b", 9), ("c", 7), ("d", 1), ("b", 3)] {
            sketch.raise(name, weight, &());
        }
        let shown = sketch.shown(9);
        let names: Vec<_> = shown.iter().map(|named| (&*named.name, named.weight)).collect();
        assert_eq!(names, [("b", 9), ("c", 7)]);
        assert_eq!(shown[0].tally.0, 2);
    }
}
