//! Clocks of processes that a test sets: the time of day by libfaketime, not the time since the start, as
//! whoever sets a machine's clock does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes a clock file, at the true time.
pub fn make(clock: &Path) {
    set(clock, 0);
}

/// This far from the true time, in seconds. In one step, so that nobody reads half of it.
pub fn set(clock: &Path, seconds: i64) {
    let next = clock.with_extension("next");
    fs::write(&next, format!("{seconds:+}")).unwrap();
    fs::rename(next, clock).unwrap();
}

/// The command's process goes by that clock, if there is such a file.
pub fn obey(command: &mut Command, clock: &Path) {
    if clock.exists() {
        // libc's allocator before Redis's jemalloc, which asks for the time while libfaketime asks for
        // memory.
        let libraries = format!("{}:libc.so.6", library().display());
        command.env("LD_PRELOAD", libraries).env("FAKETIME_TIMESTAMP_FILE", clock);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

/// Debian's, whatever the machine's architecture.
fn library() -> PathBuf {
    let mut architectures = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found = architectures.find_map(|path| {
        let library = path.join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    found.expect("libfaketime is missing: apt install libfaketime")
}
