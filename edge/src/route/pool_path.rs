//! `pool_path`: the application knows the paths below a location by another beginning, as with a path in
//! nginx's `proxy_pass`.

use process::settings::Mistakes;

use crate::request::path::{self, NormalPath};
use crate::settings::pattern::Pattern;

#[derive(Debug)]
pub(crate) struct PoolPath {
    /// How much of a path it replaces.
    literal_length: usize,
    path: Box<[u8]>,
    /// It replaces the beginning by itself: only the form of a path changes.
    is_same: bool,
}

impl PoolPath {
    /// Reports mistakes at `at`.
    pub(super) fn build(at: &str, setting: &str, pattern: &str, mistakes: &mut Mistakes) -> Option<Self> {
        let literal = Pattern::parse(pattern).ok().and_then(|pattern| pattern.literal_length());
        let Some(literal_length) = literal else {
            mistakes.push(at, "replaces the `match` of a prefix or exact location; use `rewrite` here");
            return None;
        };
        if !setting.starts_with('/') {
            mistakes.push(at, format!("`{setting}` is no path; write `\"/\"` or `\"/app/\"`"));
            return None;
        }
        let is_same = pattern.ends_with(setting) && setting.len() == literal_length;
        Some(Self { literal_length, path: setting.as_bytes().into(), is_same })
    }

    /// Whether the application is asked for the path just as it was sent.
    pub(crate) fn leaves(&self, sent: &str, path: &NormalPath<'_>) -> bool {
        self.is_same && path.as_bytes() == sent.as_bytes()
    }

    /// The path that the application is asked for.
    pub(crate) fn replace(&self, path: &NormalPath<'_>) -> Option<NormalPath<'static>> {
        let rest = path.as_bytes().get(self.literal_length..)?;
        path::resolved(&[&*self.path, rest].concat()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_replaced() {
        for (pattern, setting, asked, expected) in [
            ("/x/", "/", "/x/a/b", "/a/b"),
            ("/x/", "/y/", "/x/", "/y/"),
            ("/x", "/y", "/xa", "/ya"),
            ("/x", "/", "/x/a", "/a"),
            ("= /x", "/y/z", "/x", "/y/z"),
            ("^~ /x/", "/", "/x/%41%20b", "/A b"),
        ] {
            let mut mistakes = Mistakes::default();
            let built = PoolPath::build("at", setting, pattern, &mut mistakes).unwrap();
            let asked = path::normalise(asked.as_bytes()).unwrap();
            let made = built.replace(&asked).unwrap();
            assert_eq!(String::from_utf8_lossy(made.as_bytes()), expected, "{pattern} {setting}");
        }
    }

    #[test]
    fn the_same_path_is_left_if_it_is_normal() {
        for (pattern, setting, sent, expected) in [
            ("/", "/", "/a/b", true),
            ("/x/", "/x/", "/x/a", true),
            ("= /x", "/x", "/x", true),
            ("/", "/", "/a//b", false),
            ("/", "/", "/a%2fb", false),
            ("/x/", "/", "/x/a", false),
            ("/x/y/", "/y/", "/x/y/a", false),
        ] {
            let built = PoolPath::build("at", setting, pattern, &mut Mistakes::default()).unwrap();
            let path = path::normalise(sent.as_bytes()).unwrap();
            assert_eq!(built.leaves(sent, &path), expected, "{pattern} {setting} {sent}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (pattern, setting, said) in [
            ("~ ^/x", "/", "at: replaces the `match` of a prefix"),
            ("@x", "/", "at: replaces the `match` of a prefix"),
            ("/x/", "y/", "at: `y/` is no path"),
        ] {
            let mut mistakes = Mistakes::default();
            assert!(PoolPath::build("at", setting, pattern, &mut mistakes).is_none());
            assert!(mistakes.to_string().contains(said), "{mistakes}");
        }
    }
}
