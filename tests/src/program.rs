//! Finds the programs that the tests need and that are not ours.

use std::env;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What the variable names, else that of the project's virtual environment, else the system's.
pub(crate) fn find(variable: &str, name: &str) -> PathBuf {
    if let Some(named) = env::var_os(variable) {
        return named.into();
    }
    let ours = repository().join(".venv/bin").join(name);
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(ours)
        .chain(env::split_paths(&paths).map(|path| path.join(name)))
        .chain([Path::new("/usr/sbin").join(name)])
        .find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no {name}: run `make setup`, or name one by {variable}"))
}
