//! Whatever an nginx.conf says, what it becomes are settings: each key of them is known, and none is missing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_conf::{Contexts, check, parse};
use nginx_front::{Options, is_foreign, is_fragment, translate};
use process::settings::Settings;

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse("nginx.conf", bytes, &mut |_| Ok(Vec::new()));
    let context = if is_fragment(&parsed) { Contexts::HTTP } else { Contexts::MAIN };
    if !check(&parsed, context, &is_foreign).is_empty() {
        return;
    }
    let translation = translate(
        &parsed,
        &Options {
            prefix: "/etc/nginx/".into(),
            conf_prefix: "/etc/nginx/conf/".into(),
            hostname: "box".into(),
            microcache: None,
            has_default_root: true,
            is_root: true,
        },
    );
    let settings = Settings::load_text("nginx.conf", &translation.toml, std::iter::empty()).expect("TOML");
    let mut mistakes = settings.mistakes();
    settings.unknown_sections(&["edge", "cache_node", "wsgi_adapter", "memory"], &mut mistakes);
    let edge = settings.section::<edge::Config>("edge", &mut mistakes);
    let node = settings.section::<cache_node::Config>("cache_node", &mut mistakes);
    let adapter = settings.section::<wsgi_adapter::Config>("wsgi_adapter", &mut mistakes);
    let text = mistakes.to_string();
    assert!(edge.is_some() && node.is_some() && adapter.is_some(), "{text}\n{}", translation.toml);
    // A value may be wrong, such as a regular expression; what is written is known.
    let is_shape = |line: &str| {
        [": unknown key `", ": unknown section `", "` is missing"].iter().any(|text| line.contains(text))
    };
    assert!(!text.lines().any(is_shape), "{text}\n{}", translation.toml);
});
