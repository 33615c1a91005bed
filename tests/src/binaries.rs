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

/// Asks for the tests too, so that dependencies are those of `cargo test`, which has built them.
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
    cargo.arg("--target-dir").arg(directory.parent().unwrap());
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "cargo build failed:\n{}", String::from_utf8_lossy(&built.stderr));
    directory
}
