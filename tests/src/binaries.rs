//! Our own programs, built like this test: same target directory, same profile.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::repository;

/// The path of one of our programs: "weir", "edge", "cache-node", "wsgi-adapter".
///
/// $WEIR_BINARIES names a directory with programs that are built already. Without it they are built here:
/// Cargo builds the programs of other packages for `cargo test` only where those have integration tests of
/// their own.
pub fn binary(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| match env::var_os("WEIR_BINARIES") {
        Some(directory) => directory.into(),
        None => build(),
    });
    directory.join(name)
}

/// Asks for the tests too, so that dependencies are those of `cargo test`, which has built them. Cargo's
/// variables about this package are taken away: the build script of `ring` looks at them, and it would be
/// built anew with all that depends on it, and once more by the next `cargo test`.
fn build() -> PathBuf {
    let test = env::current_exe().unwrap();
    // TARGET/PROFILE/deps/TEST
    let directory = test.parent().and_then(Path::parent).unwrap().to_owned();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo.current_dir(repository()).args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
        "--locked",
        "--quiet",
    ]);
    let ours = env::vars_os().map(|(name, _)| name).filter(|name| {
        name.to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    });
    ours.for_each(|name| {
        cargo.env_remove(name);
    });
    cargo.arg("--target-dir").arg(directory.parent().unwrap());
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "cargo build failed:\n{}", String::from_utf8_lossy(&built.stderr));
    directory
}
