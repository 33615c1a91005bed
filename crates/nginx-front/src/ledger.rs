//! The account of directives: what became of each, so that none is dropped in silence.

use std::collections::HashMap;
use std::fmt;

use nginx_conf::{Directive, SyntaxTree};

/// File and line of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub file: String,
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What became of a directive. A later verdict replaces one that is less grave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It tunes something inside nginx that is not there in Weir.
    NoEffect,
    Done,
    /// Weir's way differs, in nothing that changes an answer.
    Different(String),
    /// It is done, and is a known trap: what to write instead.
    Trap(String),
    NotDone {
        why: String,
        /// What to write instead, where there is something.
        instead: Option<String>,
        /// Whether a visitor or the application could see that it is missing.
        changes_answers: bool,
    },
}

/// A verdict on one directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub directive: String,
    pub origin: Origin,
    pub verdict: Verdict,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directive, origin, verdict } = self;
        match verdict {
            Verdict::NoEffect => write!(f, "\"{directive}\" has no effect here in {origin}"),
            Verdict::Done => write!(f, "\"{directive}\" is done in {origin}"),
            Verdict::Different(text) | Verdict::Trap(text) => {
                write!(f, "\"{directive}\": {text} in {origin}")
            }
            Verdict::NotDone { why, instead, .. } => {
                write!(f, "\"{directive}\" is not done: {why}")?;
                if let Some(instead) = instead {
                    write!(f, "; {instead}")?;
                }
                write!(f, " in {origin}")
            }
        }
    }
}

/// All verdicts, by the number of the directive.
pub(crate) struct Ledger<'a> {
    parsed: &'a SyntaxTree,
    notes: HashMap<u32, Note>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(parsed: &'a SyntaxTree) -> Self {
        Self { parsed, notes: HashMap::new() }
    }

    pub(crate) fn origin(&self, directive: &Directive) -> Origin {
        let place = directive.place();
        let file = self.parsed.file(place.file).unwrap_or("command line").to_owned();
        Origin { file, line: place.line }
    }

    pub(crate) fn done(&mut self, directive: &Directive) {
        self.put(directive, Verdict::Done);
    }

    pub(crate) fn different(&mut self, directive: &Directive, how: impl Into<String>) {
        self.put(directive, Verdict::Different(how.into()));
    }

    pub(crate) fn trap(&mut self, directive: &Directive, text: impl Into<String>) {
        self.put(directive, Verdict::Trap(text.into()));
    }

    /// Not done, and somebody could see that.
    pub(crate) fn not_done(&mut self, directive: &Directive, why: impl Into<String>, instead: &str) {
        let instead = (!instead.is_empty()).then(|| instead.to_owned());
        self.put(directive, Verdict::NotDone { why: why.into(), instead, changes_answers: true });
    }

    /// Not done, and no answer changes by it.
    pub(crate) fn left_out(&mut self, directive: &Directive, why: impl Into<String>) {
        self.put(directive, Verdict::NotDone { why: why.into(), instead: None, changes_answers: false });
    }

    pub(crate) fn put(&mut self, directive: &Directive, verdict: Verdict) {
        let note = Note { directive: directive.name().to_owned(), origin: self.origin(directive), verdict };
        match self.notes.get(&directive.order) {
            Some(before) if before.verdict >= note.verdict => {}
            _ => {
                self.notes.insert(directive.order, note);
            }
        }
    }

    /// All notes, in the order of the files.
    pub(crate) fn into_notes(self) -> Vec<Note> {
        let mut notes: Vec<_> = self.notes.into_iter().collect();
        notes.sort_by_key(|(order, _)| *order);
        notes.into_iter().map(|(_, note)| note).collect()
    }
}
