//! What a location tells the adapter with each request besides the request itself: fields and variables in
//! place of the adapter's own, and what its `hash` looks at.

use http::{HeaderName, HeaderValue};

use crate::application::told::ToldValues;
use crate::variables::{Facts, Template};

/// The rules of one location.
#[derive(Debug, Default)]
pub(crate) struct ToldRules {
    /// Fields that the adapter would say itself.
    pub(crate) fields: Vec<(HeaderName, ToldText)>,
    /// The values of variables, by their numbers.
    pub(crate) values: Vec<ToldText>,
    pub(crate) hash: Option<Template>,
}

#[derive(Debug)]
pub(crate) struct ToldText {
    pub(crate) text: Template,
    /// It may differ between two requests with one key: it does not go into pages that are shared.
    pub(crate) is_of_the_visitor: bool,
}

impl ToldRules {
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.values.is_empty() && self.hash.is_none()
    }

    pub(crate) fn of(&self, facts: &Facts<'_>) -> Box<ToldValues> {
        let field = |(name, told): &(HeaderName, ToldText)| {
            // What could end the field is not said.
            let value = told.text.field_value(facts).unwrap_or(HeaderValue::from_static(""));
            (name.clone(), value, told.is_of_the_visitor)
        };
        // Variables are texts.
        let is_text = |byte: &u8| *byte >= b' ' && *byte != 0x7f;
        let value = |told: &ToldText| {
            let value = told.text.value(facts).into_owned();
            (if value.iter().all(is_text) { value } else { Vec::new() }, told.is_of_the_visitor)
        };
        Box::new(ToldValues {
            fields: self.fields.iter().map(field).collect(),
            values: self.values.iter().map(value).collect(),
            hash: self.hash.as_ref().map(|hash| hash.value(facts).into_owned()).unwrap_or_default(),
        })
    }
}
