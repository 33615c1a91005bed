//! Patterns of the settings against names that clients send: a star stands for any run of bytes, by a slow
//! matcher that shows it. The first line is the pattern.
#![no_main]

use http_cache::Glob;
use libfuzzer_sys::fuzz_target;

/// The slow matcher takes twice as long for each star.
const MOST_STARS: usize = 6;

fuzz_target!(|text: &str| {
    let (pattern, name) = text.split_once('\n').unwrap_or((text, ""));
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let short = pattern.len() < 32 && name.len() < 64;
    if let Ok(glob) = Glob::new(&String::from_utf8_lossy(pattern))
        && short
        && pattern.iter().filter(|byte| **byte == b'*').count() <= MOST_STARS
    {
        assert_eq!(glob.matches(name), fits(pattern, name));
    }
});

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|taken| fits(rest, &name[taken..])),
        Some((first, rest)) => {
            name.split_first().is_some_and(|(byte, name)| byte == first && fits(rest, name))
        }
    }
}
