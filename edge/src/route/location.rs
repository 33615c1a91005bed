//! Chooses the location of a request, in nginx's order, from the `match` of each.

use crate::request::path::NormalPath;

use crate::settings::pattern::Pattern;
use crate::variables::expression::{EndlessSearch, Expression};

/// The locations of one site, ready for choosing. Choosing allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Locations {
    /// One for each text of an exact or prefix match, sorted by text.
    nodes: Vec<PrefixNode>,
    /// In order of appearance.
    regexes: Vec<(Expression, usize)>,
    /// The locations within some of them.
    within: Vec<(usize, Self)>,
}

/// A location's `match`, its index, and the locations within it.
pub(crate) struct LocationNode<'a> {
    pub(crate) pattern: &'a str,
    pub(crate) index: usize,
    pub(crate) within: Vec<Self>,
}

/// What a path finds at one level.
enum FoundLocation {
    /// An exact match or a regex matches: nothing outside is asked.
    Final(usize),
    /// A prefix matches: the regexes outside come first.
    Prefix(usize),
    Nothing,
    /// A regex cannot be searched to its end.
    Unknown,
}

#[derive(Debug)]
struct PrefixNode {
    text: Box<[u8]>,
    exact: Option<usize>,
    prefix: Option<Prefix>,
    /// The node with the longest prefix match that this text begins with.
    parent: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Prefix {
    location: usize,
    /// "^~": no regex is tried.
    is_final: bool,
}

impl Locations {
    /// Takes the `match` of each location in order. Each mistake carries the index of its location. Named
    /// locations are not among those that a path leads to.
    pub(crate) fn new(nodes: &[LocationNode<'_>]) -> Result<Self, Vec<(usize, String)>> {
        let mut mistakes = Vec::new();
        let locations = Self::level(nodes, None, &mut mistakes);
        if mistakes.is_empty() { Ok(locations) } else { Err(mistakes) }
    }

    fn level(
        nodes: &[LocationNode<'_>],
        outer: Option<&Pattern>,
        mistakes: &mut Vec<(usize, String)>,
    ) -> Self {
        let mut locations = Self::default();
        for node in nodes {
            let parsed = Pattern::parse(node.pattern);
            if let Ok(pattern) = &parsed
                && !node.within.is_empty()
            {
                let within = Self::level(&node.within, Some(pattern), mistakes);
                locations.within.push((node.index, within));
            }
            let added = parsed.and_then(|pattern| {
                may_be_within(&pattern, outer)?;
                locations.add(pattern, node.index)
            });
            if let Err(mistake) = added {
                mistakes.push((node.index, mistake));
            }
        }
        locations.link();
        locations
    }

    /// The location of a request: an exact match; else the longest prefix, if it is "^~"; else the first
    /// regex; else that longest prefix.
    pub(crate) fn choose(&self, path: &NormalPath) -> Result<Option<usize>, EndlessSearch> {
        match self.find(path.as_bytes()) {
            FoundLocation::Final(location) | FoundLocation::Prefix(location) => Ok(Some(location)),
            FoundLocation::Nothing => Ok(None),
            FoundLocation::Unknown => Err(EndlessSearch),
        }
    }

    fn find(&self, path: &[u8]) -> FoundLocation {
        let nearest = match self.nodes.binary_search_by(|node| node.text.as_ref().cmp(path)) {
            Ok(at) => match self.nodes.get(at) {
                Some(PrefixNode { exact: Some(location), .. }) => return FoundLocation::Final(*location),
                _ => Some(at),
            },
            Err(after) => after.checked_sub(1),
        };
        let longest = self.longest_prefix(nearest, path);
        let mut best = longest.map(|prefix| prefix.location);
        match best.and_then(|location| self.within(location)).map(|within| within.find(path)) {
            Some(FoundLocation::Final(location)) => return FoundLocation::Final(location),
            Some(FoundLocation::Prefix(location)) => best = Some(location),
            Some(FoundLocation::Unknown) => return FoundLocation::Unknown,
            Some(FoundLocation::Nothing) | None => {}
        }
        if longest.is_some_and(|prefix| prefix.is_final) {
            return best.map_or(FoundLocation::Nothing, FoundLocation::Prefix);
        }
        for (regex, location) in &self.regexes {
            match regex.is_match(path) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(EndlessSearch) => return FoundLocation::Unknown,
            }
            return match self.within(*location).map(|within| within.find(path)) {
                Some(FoundLocation::Final(inner) | FoundLocation::Prefix(inner)) => {
                    FoundLocation::Final(inner)
                }
                Some(FoundLocation::Unknown) => FoundLocation::Unknown,
                Some(FoundLocation::Nothing) | None => FoundLocation::Final(*location),
            };
        }
        best.map_or(FoundLocation::Nothing, FoundLocation::Prefix)
    }

    fn within(&self, location: usize) -> Option<&Self> {
        // Most sites have none.
        self.within.iter().find(|(outer, _)| *outer == location).map(|(_, within)| within)
    }

    /// Returns true if the answer is a redirect to the path with a slash at its end: there is a location
    /// "/x/" with a pool, the request is for "/x", and no location says "/x" itself. Must be asked before
    /// `choose`. `passes` says whether a location, by its index, has a pool; nginx redirects for such
    /// locations only.
    pub(crate) fn lacks_slash(&self, path: &NormalPath, passes: impl Fn(usize) -> bool) -> Option<usize> {
        if path.is_directory() {
            return None;
        }
        self.lacks_slash_here(path.as_bytes(), &passes)
    }

    fn lacks_slash_here(&self, path: &[u8], passes: &impl Fn(usize) -> bool) -> Option<usize> {
        if !self.within.is_empty() {
            let nearest = self.nodes.partition_point(|node| node.text.as_ref() <= path).checked_sub(1);
            let longest = self.longest_prefix(nearest, path).and_then(|prefix| self.within(prefix.location));
            if let Some(found) = longest.and_then(|within| within.lacks_slash_here(path, passes)) {
                return Some(found);
            }
        }
        let to_path_and_slash = |node: &PrefixNode| match node.text.split_at_checked(path.len()) {
            Some((beginning, rest)) => beginning.cmp(path).then_with(|| rest.cmp(b"/")),
            None => node.text.as_ref().cmp(path),
        };
        let node = self.nodes.get(self.nodes.binary_search_by(to_path_and_slash).ok()?)?;
        let of_node = [node.exact, node.prefix.map(|prefix| prefix.location)];
        let found = of_node.into_iter().flatten().find(|location| passes(*location))?;
        self.nodes.binary_search_by(|node| node.text.as_ref().cmp(path)).is_err().then_some(found)
    }

    /// The nodes that sort at or before a path and are a prefix of it, from the longest on, by `parent`.
    fn longest_prefix(&self, nearest: Option<usize>, path: &[u8]) -> Option<Prefix> {
        let mut node = self.nodes.get(nearest?)?;
        loop {
            match node.prefix {
                Some(prefix) if path.starts_with(&node.text) => return Some(prefix),
                _ => node = self.nodes.get(node.parent?)?,
            }
        }
    }

    fn add(&mut self, pattern: Pattern, location: usize) -> Result<(), String> {
        let (text, prefix) = match pattern {
            Pattern::Regex(regex) => {
                self.regexes.push((regex, location));
                return Ok(());
            }
            Pattern::Named(_) => return Ok(()),
            Pattern::Exact(text) => (text, None),
            Pattern::Prefix { text, is_final } => (text, Some(Prefix { location, is_final })),
        };
        let at = self.nodes.partition_point(|node| *node.text < *text);
        if self.nodes.get(at).is_none_or(|node| node.text != text) {
            self.nodes.insert(at, PrefixNode { text, exact: None, prefix: None, parent: None });
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        match prefix {
            None if node.exact.is_none() => node.exact = Some(location),
            Some(_) if node.prefix.is_none() => node.prefix = prefix,
            _ => return Err(format!("an earlier location matches \"{}\" too", node.text.escape_ascii())),
        }
        Ok(())
    }

    fn link(&mut self) {
        let mut open: Vec<(usize, Box<[u8]>)> = Vec::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            while open.last().is_some_and(|(_, text)| !node.text.starts_with(text)) {
                open.pop();
            }
            node.parent = open.last().map(|(parent, _)| *parent);
            if node.prefix.is_some() {
                open.push((at, node.text.clone()));
            }
        }
    }
}

/// nginx's rules for a location within another one.
fn may_be_within(pattern: &Pattern, outer: Option<&Pattern>) -> Result<(), String> {
    let text = match (pattern, outer) {
        (_, None) => return Ok(()),
        (_, Some(Pattern::Exact(_))) => return Err("a location with `=` has none within it".into()),
        (_, Some(Pattern::Named(_))) => return Err("a named location has none within it".into()),
        (Pattern::Named(_), _) => return Err("a named location stands in its site, not in a location".into()),
        (Pattern::Regex(_), _) | (_, Some(Pattern::Regex(_))) => return Ok(()),
        (Pattern::Exact(text) | Pattern::Prefix { text, .. }, _) => text,
    };
    match outer {
        Some(Pattern::Prefix { text: outer, .. }) if !text.starts_with(outer) => {
            Err(format!("is outside the location \"{}\" that it stands in", outer.escape_ascii()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
