//! Patterns of names, each with a class: the owner's before the defaults, the more particular before the
//! vaguer.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::Glob;

/// Finds the class of a name by its length and its first byte: most names are compared with few patterns.
/// Each location has one, so a clone shares what it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Patterns<C> {
    /// Patterns without `*`, sorted by length, then by name: most comparisons look at lengths alone.
    exact: Arc<[ExactRule<C>]>,
    /// The patterns with `*`, best first.
    globs: Arc<[(Glob, Rule<C>)]>,
    /// Which of these can match a name, by the name's first byte.
    by_first_byte: Arc<[Vec<u16>]>,
}

type ExactRule<C> = (Box<[u8]>, Rule<C>);

/// What a pattern says, and its place among all: a lower one counts before a higher one.
#[derive(Clone, Copy, Debug)]
struct Rule<C> {
    place: usize,
    class: C,
}

/// The most patterns that one table of a location's settings may list.
const MAX_PATTERNS: usize = 200;

impl<C: Copy + Ord> Patterns<C> {
    /// An earlier list counts before a later one. Between equally particular patterns of one list the lower
    /// class counts.
    pub(crate) fn new(lists: impl IntoIterator<Item = Vec<(Glob, C)>>) -> Self {
        let mut rules = Vec::new();
        for mut list in lists {
            list.sort_by_cached_key(|(glob, class)| (usize::MAX - glob.literal_len(), *class));
            rules.append(&mut list);
        }
        Self::index(rules)
    }

    pub(crate) fn class(&self, name: &[u8]) -> Option<C> {
        self.find(name).map(|(class, _)| class)
    }

    /// The class of a name, and whether some list holds the very name, not only a pattern that it matches.
    pub(crate) fn find(&self, name: &[u8]) -> Option<(C, bool)> {
        let first = name.first()?;
        let found = self.exact.binary_search_by(|(exact, _)| by_length(exact, name)).ok();
        let exact = found.and_then(|at| self.exact.get(at)).map(|(_, rule)| *rule);
        let globs = self.by_first_byte.get(usize::from(*first)).map(Vec::as_slice).unwrap_or_default();
        let globs = globs.iter().filter_map(|at| self.globs.get(usize::from(*at)));
        let before = |rule: &Rule<C>| exact.is_none_or(|exact| rule.place < exact.place);
        let glob = globs.take_while(|(_, rule)| before(rule)).find(|(glob, _)| glob.matches(name));
        glob.map(|(_, rule)| *rule).or(exact).map(|rule| (rule.class, exact.is_some()))
    }

    /// `rules`: best first.
    fn index(rules: Vec<(Glob, C)>) -> Self {
        let (mut exact, mut globs): (Vec<ExactRule<C>>, Vec<_>) = (Vec::new(), Vec::new());
        let mut by_first_byte = vec![Vec::new(); 256];
        for (place, (glob, class)) in rules.into_iter().enumerate() {
            let rule = Rule { place, class };
            if glob.is_exact() {
                exact.push((glob.as_str().as_bytes().into(), rule));
                continue;
            }
            // `MAX_PATTERNS` and the built-in lists are far fewer.
            let at = u16::try_from(globs.len()).unwrap_or(u16::MAX);
            match glob.first_byte() {
                Some(first) => {
                    by_first_byte.get_mut(usize::from(first)).into_iter().for_each(|list| list.push(at))
                }
                None => by_first_byte.iter_mut().for_each(|list| list.push(at)),
            }
            globs.push((glob, rule));
        }
        exact.sort_by(|a, b| by_length(&a.0, &b.0).then(a.1.place.cmp(&b.1.place)));
        // If a name is listed twice, the better rule comes first.
        exact.dedup_by(|later, first| later.0 == first.0);
        Self { exact: exact.into(), globs: globs.into(), by_first_byte: by_first_byte.into() }
    }
}

/// The patterns of the built-in lists, which a test holds to be valid.
pub(crate) fn built_in<C: Copy>(lists: &[(C, &[&str])]) -> Vec<(Glob, C)> {
    let patterns =
        lists.iter().flat_map(|(class, patterns)| patterns.iter().map(|pattern| (*pattern, *class)));
    patterns.filter_map(|(pattern, class)| Some((Glob::new(pattern).ok()?, class))).collect()
}

/// The error is for the settings checker.
pub(crate) fn check_count(patterns: usize) -> Result<(), String> {
    if patterns > MAX_PATTERNS { Err(format!("more than {MAX_PATTERNS} patterns")) } else { Ok(()) }
}

fn by_length(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
