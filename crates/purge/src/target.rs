//! What a purge names.

use bytes::Bytes;

/// The most targets of one purge, and the longest (a URL or prefix; tags are shorter by themselves).
pub const MAX_TARGETS: usize = 1024;
pub const MAX_TARGET: usize = 8192;

/// Pages by one of four ways.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Every page there is.
    All,
    /// All variants of one page: scheme, host, path and query, as a cache key begins.
    Url(Bytes),
    /// All pages whose URL begins so.
    Prefix(Bytes),
    /// All pages that carry the tag.
    Tag(Bytes),
}

/// One purge: several targets are reached together, by one entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    targets: Vec<Target>,
    soft: bool,
}

/// A purge that cannot be made: whoever asked for it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPurge {
    #[error("a purge must name something: a URL, a prefix, a tag, or all")]
    Nothing,
    #[error("a purge may name {MAX_TARGETS} things at most")]
    TooMany,
    #[error("a URL, prefix or tag must have 1 to {MAX_TARGET} bytes")]
    Length,
}

impl Purge {
    /// `soft`: the pages are stale from now on, instead of gone.
    pub fn new(targets: Vec<Target>, soft: bool) -> Result<Self, InvalidPurge> {
        if targets.is_empty() {
            return Err(InvalidPurge::Nothing);
        }
        if targets.len() > MAX_TARGETS {
            return Err(InvalidPurge::TooMany);
        }
        let fits = |target: &Target| match target {
            Target::All => true,
            Target::Url(text) | Target::Prefix(text) | Target::Tag(text) => {
                (1..=MAX_TARGET).contains(&text.len())
            }
        };
        if !targets.iter().all(fits) {
            return Err(InvalidPurge::Length);
        }
        Ok(Self { targets, soft })
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    pub fn is_soft(&self) -> bool {
        self.soft
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_names_something_within_bounds() {
        let url = |length| Target::Url(vec![b'x'; length].into());
        let cases = [
            (vec![], Err(InvalidPurge::Nothing)),
            (vec![Target::All], Ok(())),
            (vec![url(1), url(MAX_TARGET)], Ok(())),
            (vec![url(0)], Err(InvalidPurge::Length)),
            (vec![Target::All, url(MAX_TARGET + 1)], Err(InvalidPurge::Length)),
            (vec![Target::Tag(Bytes::new())], Err(InvalidPurge::Length)),
            (vec![Target::All; MAX_TARGETS], Ok(())),
            (vec![Target::All; MAX_TARGETS + 1], Err(InvalidPurge::TooMany)),
        ];
        for (targets, expected) in cases {
            let count = targets.len();
            assert_eq!(Purge::new(targets, false).map(|_| ()), expected, "{count} targets");
        }
    }
}
