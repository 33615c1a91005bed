//! A filter that is understood, and whether a record fits it.

use std::borrow::Cow;

use regex::Regex;

use crate::field::{NumberField, TextField};
use crate::mistake::FilterMistake;
use crate::parse;

/// What a filter is asked about.
pub trait RequestRecord {
    /// Empty: there is none.
    fn text(&self, field: TextField) -> Cow<'_, str>;
    /// Times in seconds. `None`: there is none, and no comparison with it holds.
    fn number(&self, field: NumberField) -> Option<f64>;
}

/// Which records to show. The default: all.
#[derive(Clone, Debug, Default)]
pub struct Filter(pub(crate) Option<Condition>);

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Text {
        field: TextField,
        one_of: Vec<String>,
    },
    Matches {
        field: TextField,
        pattern: Regex,
    },
    /// Between these, both included or not.
    Range {
        field: NumberField,
        from: Limit,
        to: Limit,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    None,
    Including(f64),
    Excluding(f64),
}

impl Filter {
    /// Understands a filter; an empty one is all.
    pub fn parse(text: &str) -> Result<Self, FilterMistake> {
        parse::filter(text).map(Self)
    }

    pub fn fits(&self, record: &impl RequestRecord) -> bool {
        self.0.as_ref().is_none_or(|condition| condition.holds(record))
    }
}

impl Condition {
    fn holds(&self, record: &impl RequestRecord) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.holds(record)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(record)),
            Self::Not(condition) => !condition.holds(record),
            Self::Text { field, one_of } => one_of.iter().any(|text| *text == record.text(*field)),
            Self::Matches { field, pattern } => pattern.is_match(&record.text(*field)),
            Self::Range { field, from, to } => record.number(*field).is_some_and(|number| {
                let from = match from {
                    Limit::None => true,
                    Limit::Including(least) => number >= *least,
                    Limit::Excluding(least) => number > *least,
                };
                let to = match to {
                    Limit::None => true,
                    Limit::Including(most) => number <= *most,
                    Limit::Excluding(most) => number < *most,
                };
                from && to
            }),
        }
    }
}
