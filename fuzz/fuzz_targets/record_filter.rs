//! Any filter of `weir log` is parsed and tried without a panic, and a mistake stands within the text.
#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use record_filter::{Filter, NumberField, RequestRecord, TextField};

struct Record;

impl RequestRecord for Record {
    fn text(&self, _: TextField) -> Cow<'_, str> {
        Cow::Borrowed("/api/users?page=2 Mozilla \"5.0\"")
    }

    fn number(&self, field: NumberField) -> Option<f64> {
        (field != NumberField::Connect).then_some(502.0)
    }
}

fuzz_target!(|text: &str| {
    match Filter::parse(text) {
        Ok(filter) => {
            let negated = Filter::parse(&format!("not ({text})"));
            // Nothing at all is a filter, and fits everything.
            if let (Ok(negated), false) = (negated, text.trim().is_empty()) {
                assert_ne!(filter.fits(&Record), negated.fits(&Record));
            }
        }
        Err(mistake) => assert!(!mistake.to_string().is_empty()),
    }
});
