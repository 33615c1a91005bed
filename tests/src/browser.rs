//! A real browser, Debian's Chromium, that looks at a page as a script of `tests/apps` says.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{program, repository};

/// Runs the script with Chromium and these arguments; panics with what it says if something is not as it
/// should be.
#[track_caller]
pub fn browse(script: &str, arguments: &[&str]) {
    let mut command = Command::new(program::find("WEIR_PYTHON", "python"));
    command.arg(repository().join("tests/apps").join(script)).arg(chromium()).args(arguments);
    let done = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}: {said}");
}

/// The smaller package has the same engine, and no window.
fn chromium() -> PathBuf {
    let named = env::var_os("WEIR_CHROMIUM").map(PathBuf::from);
    let usual = ["chromium", "chromium-headless-shell"].map(|name| Path::new("/usr/bin").join(name));
    named
        .into_iter()
        .chain(usual)
        .find(|program| program.exists())
        .expect("there is no Chromium: apt install chromium-headless-shell, or name one by WEIR_CHROMIUM")
}
