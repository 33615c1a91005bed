//! Whatever an nginx.conf says, what it becomes is TOML, and every directive has a note.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_conf::{Contexts, check, parse};
use nginx_front::{Options, is_foreign, is_fragment, translate};

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse("nginx.conf", bytes, &mut |_| Ok(Vec::new()));
    let context = if is_fragment(&parsed) { Contexts::HTTP } else { Contexts::MAIN };
    if !check(&parsed, context, &is_foreign).is_empty() {
        return;
    }
    let translation = translate(&parsed, &Options {
        prefix: "/etc/nginx/".into(),
        conf_prefix: "/etc/nginx/conf/".into(),
        hostname: "box".into(),
        microcache: None,
        has_default_root: true,
        is_root: true,
    });
    let table: toml::Table = translation.toml.parse().expect("TOML");
    assert!(table.keys().all(|key| !key.is_empty()));
});
