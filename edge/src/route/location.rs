//! Chooses the location of a request, in nginx's order, from the `match` of each.

use regex::bytes::Regex;

use crate::request::path::NormalPath;

use crate::settings::pattern::Pattern;

/// The locations of one site, ready for choosing. Choosing allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Locations {
    /// One for each text of an exact or prefix match, sorted by text.
    nodes: Vec<PrefixNode>,
    /// In order of appearance.
    regexes: Vec<(Regex, usize)>,
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
    /// Takes the `match` of each location in order. Each mistake carries the index of its location.
    pub(crate) fn new(matches: &[String]) -> Result<Self, Vec<(usize, String)>> {
        let mut locations = Self::default();
        let mut mistakes = Vec::new();
        for (location, text) in matches.iter().enumerate() {
            if let Err(mistake) = Pattern::parse(text).and_then(|pattern| locations.add(pattern, location)) {
                mistakes.push((location, mistake));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        locations.link();
        Ok(locations)
    }

    /// The location of a request: an exact match; else the longest prefix, if it is "^~"; else the first
    /// regex; else that longest prefix.
    pub(crate) fn choose(&self, path: &NormalPath) -> Option<usize> {
        let path = path.as_bytes();
        let nearest = match self.nodes.binary_search_by(|node| node.text.as_ref().cmp(path)) {
            Ok(at) => match self.nodes.get(at) {
                Some(PrefixNode { exact: Some(location), .. }) => return Some(*location),
                _ => Some(at),
            },
            Err(after) => after.checked_sub(1),
        };
        let longest = self.longest_prefix(nearest, path);
        if let Some(Prefix { location, is_final: true }) = longest {
            return Some(location);
        }
        let regex = self.regexes.iter().find(|(regex, _)| regex.is_match(path));
        regex.map(|(_, location)| *location).or_else(|| longest.map(|prefix| prefix.location))
    }

    /// Returns true if the answer is a redirect to the path with a slash at its end: there is a location
    /// "/x/" with a pool, the request is for "/x", and no location says "/x" itself. Must be asked before
    /// `choose`. `passes` says whether a location, by its index, has a pool; nginx redirects for such
    /// locations only.
    pub(crate) fn lacks_slash(&self, path: &NormalPath, passes: impl Fn(usize) -> bool) -> bool {
        if path.is_directory() {
            return false;
        }
        let path = path.as_bytes();
        let to_path_and_slash = |node: &PrefixNode| match node.text.split_at_checked(path.len()) {
            Some((beginning, rest)) => beginning.cmp(path).then_with(|| rest.cmp(b"/")),
            None => node.text.as_ref().cmp(path),
        };
        let Ok(at) = self.nodes.binary_search_by(to_path_and_slash) else { return false };
        let Some(node) = self.nodes.get(at) else { return false };
        (node.exact.is_some_and(&passes) || node.prefix.is_some_and(|prefix| passes(prefix.location)))
            && self.nodes.binary_search_by(|node| node.text.as_ref().cmp(path)).is_err()
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

#[cfg(test)]
mod tests;
