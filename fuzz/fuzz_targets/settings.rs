//! Any text is settings or has mistakes; what is settings is checked without a panic.
#![no_main]

use edge::Config;
use libfuzzer_sys::fuzz_target;
use process::settings::Settings;

fuzz_target!(|text: &str| {
    let Ok(settings) = Settings::load_text("weir.toml", text, std::iter::empty()) else { return };
    let mut mistakes = settings.mistakes();
    if let Some(config) = settings.section::<Config>("edge", &mut mistakes) {
        edge::check(&config, &mut mistakes);
    }
    let _ = mistakes.to_string();
});
