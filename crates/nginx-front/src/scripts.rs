//! FastCGI's scripts: `fastcgi_split_path_info`, `fastcgi_index`, and whether Weir by itself finds the file
//! that nginx would.

use crate::regex;
use crate::scope::Scope;
use crate::settings::Table;
use crate::translate::Translator;

/// They take a path apart behind the first or last `.php`, as Weir does.
const USUAL_SPLITS: &[&str] = &[
    r"^(.+\.php)(.*)$",
    r"^(.+\.php)(/.*)$",
    r"^(.+\.php)(/.+)$",
    r"^(.+?\.php)(.*)$",
    r"^(.+?\.php)(/.*)$",
    r"^(.+?\.php)(/.+)$",
    r"^(.+?\.php)(|/.*)$",
    r"^((?U).+\.php)(/?.+)$",
];

/// Sets what `$fastcgi_script_name` and `$fastcgi_path_info` are made by.
pub(crate) fn translate(translator: &mut Translator<'_>, scope: &Scope<'_>, table: &mut Table) {
    if let Some(split) = scope.one("fastcgi_split_path_info") {
        let pattern = regex::translated(split.arg(0).unwrap_or_default());
        table.from("fastcgi_split_path_info", pattern, &translator.ledger.origin(split));
    }
    if let Some(index) = scope.one("fastcgi_index") {
        let name = index.arg(0).unwrap_or_default();
        table.from("fastcgi_index", name, &translator.ledger.origin(index));
    }
}

/// Whether the adapter by itself gives a variable this value. It knows `root` and the path, no `alias`, and
/// takes paths apart in one way.
pub(crate) fn is_usual(scope: &Scope<'_>, family: &str, value: &str) -> bool {
    let names_files = ["$document_root", "$realpath_root", "$request_filename"];
    let is_alias = scope.nearest(&["alias", "root"]).first().is_some_and(|found| found.name() == "alias");
    if is_alias && names_files.iter().any(|name| value.contains(name)) {
        return false;
    }
    if family != "fastcgi" || !value.contains("$fastcgi_") {
        return true;
    }
    let split = scope.arg("fastcgi_split_path_info");
    let is_split = match split {
        Some(split) => USUAL_SPLITS.contains(&split),
        None => !value.contains("$fastcgi_path_info"),
    };
    is_split && scope.arg("fastcgi_index").is_none_or(|index| index == "index.php")
}
