//! The first seeds, that a seed is one world, and that faults are found. `WEIR_WORLDS=1000` plays as many
//! worlds of all kinds of events; `make simulate` plays more.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

use std::path::{Path, PathBuf};
use std::process::Command;

use weir_simulator::kernel;
use weir_simulator::schedule::Aim;
use weir_simulator::script_faults::FAULTS;

/// Each takes about two seconds of an unoptimised build.
const WORLDS: u64 = 8;

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

/// What the program says, and whether it found nothing wrong.
fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program()).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn nothing_is_wrong_in_the_worlds_of_the_first_seeds() {
    let worlds = std::env::var("WEIR_WORLDS").unwrap_or_else(|_| WORLDS.to_string());
    let (is_good, text) = run(&["--seeds", &worlds]);
    assert!(is_good, "{text}");
}

#[test]
fn nothing_is_wrong_in_worlds_that_aim_at_something() {
    for aim in Aim::DRAWN.into_iter().filter(|aim| *aim != Aim::Mixed) {
        let (is_good, text) = run(&["--world", aim.name(), "--seeds", "3"]);
        assert!(is_good, "{text}");
    }
}

#[test]
fn a_fault_that_is_put_back_is_found() {
    for fault in FAULTS.iter().filter(|fault| fault.aim != Aim::Mixed) {
        let (is_good, text) = run(&["--fault", fault.name, "--seeds", "5", "--quick"]);
        assert!(!is_good && text.starts_with("found by seed "), "{}: {text}", fault.name);
    }
}

#[test]
fn one_thing_of_sixty_fails_in_each_scene() {
    let (is_good, text) = run(&["--walk", "--every", "60"]);
    assert!(is_good && text.contains("http2, ") && text.contains(" things failed, 0 wrong"), "{text}");
}
