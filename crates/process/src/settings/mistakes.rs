//! What is wrong with the settings, one line each, in the order of the file.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::path;
use super::{place::Place, places::Places};

/// More mistakes than this are counted, not kept.
pub(super) const MOST: usize = 100;

/// All that is wrong. `Display` gives one line per mistake, sorted by place, none twice:
/// `weir.toml:12: edge.site[0].location[1].match: …`, or the variable instead of file and line.
#[derive(Clone, Debug, Default)]
pub struct Mistakes {
    found: Vec<(Option<Place>, Mistake)>,
    more: usize,
    in_doubt: BTreeSet<String>,
    places: Option<Arc<Places>>,
}

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mistake {
    /// Where, as a path of keys: `edge.site[0].location[2].match`. Empty for the file itself.
    path: String,
    /// What is wrong and what to do, in one line.
    text: String,
}

impl Mistakes {
    /// Adds what a service found wrong in its own section, at a path such as
    /// `edge.site[0].location[2].match`.
    ///
    /// Left out is what probably follows from an earlier mistake: "no site" where the only one could not be
    /// read.
    pub fn push(&mut self, path: impl Into<String>, text: impl Into<String>) {
        let path = path.into();
        if !self.in_doubt.contains(&path) {
            self.add(&path, text.into());
        }
    }

    /// A mistake that stands nowhere in particular.
    pub(super) fn of_whole_file(places: &Places, text: String) -> Self {
        let mut mistakes = Self::default();
        mistakes.add_at(places.of(""), text);
        mistakes
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn add(&mut self, path: &str, text: String) {
        self.keep(None, Mistake { path: path.to_owned(), text });
    }

    pub(super) fn add_at(&mut self, place: Place, text: String) {
        self.keep(Some(place), Mistake { path: String::new(), text });
    }

    /// Nothing certain can be said any more of the value at `path`, nor of the list that it was an element
    /// of.
    pub(super) fn doubt(&mut self, path: &str) {
        self.in_doubt.insert(path.to_owned());
        if path::is_element(path) {
            self.in_doubt.extend(path::parent(path).map(str::to_owned));
        }
    }

    pub(super) fn locate(&mut self, places: &Arc<Places>) {
        self.places.get_or_insert_with(|| Arc::clone(places));
    }

    fn keep(&mut self, place: Option<Place>, mistake: Mistake) {
        if self.found.len() == MOST {
            self.more += 1;
            return;
        }
        self.found.push((place, mistake));
    }

    fn place(&self, known: &Option<Place>, mistake: &Mistake) -> Place {
        match (known, &self.places) {
            (Some(place), _) => place.clone(),
            (None, Some(places)) => places.of(&mistake.path),
            (None, None) => Place::Unknown,
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<_> =
            self.found.iter().map(|(place, mistake)| (self.place(place, mistake), mistake)).collect();
        lines.sort_by(|(a, one), (b, other)| (a, &one.path, &one.text).cmp(&(b, &other.path, &other.text)));
        lines.dedup();
        for (place, Mistake { path, text }) in lines {
            let before = [place.to_string(), path.clone()].into_iter().filter(|part| !part.is_empty());
            let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            writeln!(f, "{}", before.chain([one_line]).collect::<Vec<_>>().join(": "))?;
        }
        if self.more > 0 {
            writeln!(f, "and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
