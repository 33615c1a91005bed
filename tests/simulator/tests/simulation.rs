//! The first seeds, and that a seed is one world. `WEIR_WORLDS=1000` plays as many; `make simulate` plays
//! more.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

use std::path::{Path, PathBuf};
use std::process::Command;

use weir_simulator::kernel;

/// Each takes about two seconds of an unoptimised build.
const WORLDS: u64 = 12;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_weir-simulator"))
}

/// `kernel.c`, built in a directory of the test's own.
fn library(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    kernel::build(&directory).unwrap()
}

#[test]
fn a_seed_is_one_world() {
    let library = library("one-world");
    for seed in [1, 2] {
        let arguments = ["--play".to_owned(), seed.to_string(), "--show".to_owned()];
        let played = || kernel::run(program(), &library, seed, &arguments).unwrap();
        let text = |output: Vec<u8>| String::from_utf8(output).unwrap();
        let (first, second) = (text(played().stdout), text(played().stdout));
        assert!(first.contains("trace "), "{first}");
        if first != second {
            let differs = first.lines().zip(second.lines()).find(|(first, second)| first != second);
            panic!("seed {seed} is two worlds: {differs:#?}");
        }
    }
}

#[test]
fn nothing_is_wrong_in_the_worlds_of_the_first_seeds() {
    let worlds = std::env::var("WEIR_WORLDS").unwrap_or_else(|_| WORLDS.to_string());
    let output = Command::new(program()).args(["--seeds", &worlds]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
