//! The Rust types are those of the `.proto` files: this test generates them anew and compares.
//!
//! They are kept in the repository, so that a build needs no generator (protox parses, tonic-prost-build
//! generates; no `protoc`). `REGENERATE=1 cargo test -p weir-proto --test generated` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

use std::fs;
use std::path::Path;

const CONTRACTS: [(&str, &str); 2] = [("cache", "edge ⇄ cache-node"), ("origin", "edge ⇄ wsgi-adapter")];

#[test]
fn the_rust_types_are_those_of_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    let descriptors = protox::compile(CONTRACTS.map(|(name, _)| format!("{name}.proto")), [root]).unwrap();
    // Bodies as `Bytes`: a chunk is a slice of the received frame, not a copy.
    let generator = tonic_prost_build::configure().bytes(".").out_dir(directory.path());
    generator.compile_fds(descriptors).unwrap();
    for (name, peers) in CONTRACTS {
        let generated = fs::read_to_string(directory.path().join(format!("weir.{name}.rs"))).unwrap();
        let text = format!(
            "//! {peers}, generated from `proto/{name}.proto` by proto/tests/generated.rs.\n\n{generated}"
        );
        let file = root.join("src").join(name).with_extension("rs");
        if std::env::var_os("REGENERATE").is_some() {
            fs::write(&file, text).unwrap();
            continue;
        }
        assert!(
            fs::read_to_string(&file).unwrap_or_default() == text,
            "proto/src/{name}.rs is not what proto/{name}.proto says: \
             run `REGENERATE=1 cargo test -p weir-proto --test generated`"
        );
    }
}
