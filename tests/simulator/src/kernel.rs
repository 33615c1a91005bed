//! Builds `kernel.c`, and runs this program again below it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};

const SOURCE: &str = include_str!("kernel.c");

/// The library, in a directory of the caller's.
pub fn build(directory: &Path) -> anyhow::Result<PathBuf> {
    let (source, library) = (directory.join("kernel.c"), directory.join("kernel.so"));
    std::fs::write(&source, SOURCE)?;
    let mut compiler = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
    let built = compiler.arg(&library).arg(&source).arg("-ldl").output().context("cc")?;
    ensure!(built.status.success(), "kernel.c: {}", String::from_utf8_lossy(&built.stderr));
    Ok(library)
}

/// Runs `program` below the library with chance from `seed`, to its end.
pub fn run(program: &Path, library: &Path, seed: u64, arguments: &[String]) -> anyhow::Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env("LD_PRELOAD", library).env("WEIR_SEED", seed.to_string());
    // Whoever runs this may have settings of a Weir in the environment.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("WEIR__") {
            command.env_remove(name);
        }
    }
    Ok(command.stdin(Stdio::null()).output()?)
}
