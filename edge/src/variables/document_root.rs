//! Where the files of a place are, as variables tell it: `$document_root`, `$request_filename`, and FastCGI's
//! `$fastcgi_script_name` and `$fastcgi_path_info`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::variables::expression::{EndlessSearch, Expression};
use crate::variables::{Facts, RouteFacts, Template};

/// What of a path is looked up in a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DirectoryUse {
    /// `root`: all of it.
    #[default]
    Root,
    /// `alias`: what follows this much.
    Alias { literal_length: usize },
    /// `alias` of a regex: nothing, it is the file itself.
    Whole,
}

/// `root` or `alias` of a place, and how FastCGI takes its paths apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct DocumentRoot {
    /// `None`: the place has none.
    pub(crate) directory: Option<Template>,
    pub(crate) directory_use: DirectoryUse,
    /// Its path; `None`: that depends on the request.
    pub(crate) constant: Option<Arc<str>>,
    pub(crate) split_path_info: Option<Expression>,
    /// Follows the name of a script that ends in a slash.
    pub(crate) index: Box<str>,
}

impl DocumentRoot {
    pub(crate) fn new(directory: Option<Template>, directory_use: DirectoryUse) -> Self {
        let constant = directory.as_ref().map_or(Some(""), Template::constant);
        let constant = constant.map(|path| match directory_use {
            DirectoryUse::Root => path.strip_suffix('/').unwrap_or(path).into(),
            _ => path.into(),
        });
        Self { directory, directory_use, constant, ..Self::default() }
    }

    /// `None`: the request's values lead to no directory that may be served.
    pub(crate) fn path(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        if let Some(constant) = &self.constant {
            return Some(constant.as_bytes().to_vec());
        }
        let Some(directory) = &self.directory else { return Some(Vec::new()) };
        // It cannot be made of itself.
        let route = RouteFacts { document_root: None, ..facts.route };
        let mut path = directory_of(directory, &Facts { route, ..*facts })?;
        // As nginx has it, `root` ends without a slash, and `alias` as it is written.
        if self.directory_use == DirectoryUse::Root && path.ends_with(b"/") {
            path.pop();
        }
        Some(path)
    }

    /// The file that the path leads to, whether it is there or not.
    pub(crate) fn file_name(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        let below = match self.directory_use {
            DirectoryUse::Root => facts.route.uri,
            DirectoryUse::Alias { literal_length } => {
                facts.route.uri.get(literal_length..).unwrap_or_default()
            }
            DirectoryUse::Whole => b"",
        };
        Some([&self.path(facts)?, below].concat())
    }

    pub(crate) fn script_name<'u>(&self, uri: &'u [u8]) -> Result<Cow<'u, [u8]>, EndlessSearch> {
        let script = match self.split(uri)? {
            Some(split) => uri.get(split.script).unwrap_or_default(),
            None => uri,
        };
        if script.ends_with(b"/") && !self.index.is_empty() {
            return Ok(Cow::Owned([script, self.index.as_bytes()].concat()));
        }
        Ok(Cow::Borrowed(script))
    }

    /// `None`: nothing follows the script's name.
    pub(crate) fn path_info<'u>(&self, uri: &'u [u8]) -> Result<Option<&'u [u8]>, EndlessSearch> {
        Ok(self.split(uri)?.and_then(|split| uri.get(split.info)))
    }

    fn split(&self, uri: &[u8]) -> Result<Option<SplitPath>, EndlessSearch> {
        let Some(expression) = &self.split_path_info else { return Ok(None) };
        let Some(groups) = expression.find_groups(uri)? else { return Ok(None) };
        let group = |number: usize| groups.get(number).cloned().flatten().unwrap_or_default();
        Ok(Some(SplitPath { script: group(1), info: group(2) }))
    }
}

/// The value of a `root` or `alias`. `None`: it leaves what all its values have in common.
pub(crate) fn directory_of(template: &Template, facts: &Facts<'_>) -> Option<Vec<u8>> {
    let directory = template.value(facts);
    let leaves = directory.split(|byte| *byte == b'/').any(|part| part == b"..");
    let is_within = Path::new(OsStr::from_bytes(&directory)).starts_with(boundary(template));
    (!leaves && is_within && !directory.iter().any(u8::is_ascii_control)).then(|| directory.into_owned())
}

/// What stands before the first variable, up to its last slash: the directory that all values have in common.
pub(crate) fn boundary(directory: &Template) -> PathBuf {
    let literal = directory.source().split('$').next().unwrap_or_default();
    match literal.rfind('/') {
        Some(slash) => literal.get(..=slash).unwrap_or("/").into(),
        None => "/".into(),
    }
}

/// Where in a path the script's name is, and what follows it.
struct SplitPath {
    script: Range<usize>,
    info: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::expression;
    use crate::variables::facts::tests::facts_of;

    fn root(directory: &str, directory_use: DirectoryUse) -> DocumentRoot {
        DocumentRoot::new(Some(Template::parse(directory).unwrap()), directory_use)
    }

    #[test]
    fn files_are_found_as_nginx_finds_them() {
        let alias = DirectoryUse::Alias { literal_length: 5 };
        let cases = [
            (root("/srv/", DirectoryUse::Root), "/a/b", "/srv", "/srv/a/b"),
            (root("/srv", DirectoryUse::Root), "/a/", "/srv", "/srv/a/"),
            (
                root("/srv/$host/$arg_x", DirectoryUse::Root),
                "/a?x=7",
                "/srv/example.com/7",
                "/srv/example.com/7/a",
            ),
            (root("/srv/pma/", alias), "/pma/x.php", "/srv/pma/", "/srv/pma/x.php"),
            (root("/srv/pma/", alias), "/p", "/srv/pma/", "/srv/pma/"),
            (root("/srv/one.php", DirectoryUse::Whole), "/any", "/srv/one.php", "/srv/one.php"),
            (root("/srv$document_root", DirectoryUse::Root), "/a", "/srv", "/srv/a"),
            (DocumentRoot::default(), "/a", "", "/a"),
        ];
        let fields = http::HeaderMap::new();
        for (root, target, directory, file) in cases {
            let facts = facts_of(target, &fields);
            assert_eq!(String::from_utf8_lossy(&root.path(&facts).unwrap()), directory, "{root:?}");
            assert_eq!(String::from_utf8_lossy(&root.file_name(&facts).unwrap()), file, "{root:?}");
            if let Some(constant) = &root.constant {
                assert_eq!(&**constant, directory);
            }
        }
    }

    #[test]
    fn no_value_leads_out_of_what_all_have_in_common() {
        let fields = http::HeaderMap::new();
        let root = root("/srv/$arg_x/", DirectoryUse::Root);
        for target in ["/a?x=..", "/a?x=b/../../etc", "/a?x=a\nb", "/a?x=a\0b"] {
            let facts = facts_of(target, &fields);
            assert_eq!((root.path(&facts), root.file_name(&facts)), (None, None), "{target:?}");
        }
    }

    #[test]
    fn scripts_are_split_as_nginx_splits_them() {
        let usual = r"^(.+?\.php)(/.*)$";
        let cases = [
            (usual, "/a.php/b/c", "/a.php", Some("/b/c")),
            (usual, "/a.php", "/a.php", None),
            (usual, "/a/", "/a/index.php", None),
            (r"^/info(/.+\.php)(/.*)?$", "/info/a.php", "/a.php", Some("")),
            ("", "/a.php/b", "/a.php/b", None),
        ];
        for (pattern, uri, script, info) in cases {
            let split_path_info = (!pattern.is_empty()).then(|| expression::compile(pattern, false).unwrap());
            let root = DocumentRoot { split_path_info, index: "index.php".into(), ..DocumentRoot::default() };
            assert_eq!(*root.script_name(uri.as_bytes()).unwrap(), *script.as_bytes(), "{pattern} {uri}");
            assert_eq!(root.path_info(uri.as_bytes()).unwrap(), info.map(str::as_bytes), "{pattern} {uri}");
        }
        let without = DocumentRoot::default();
        assert_eq!(*without.script_name(b"/a/").unwrap(), *b"/a/");
    }
}
