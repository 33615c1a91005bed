//! Reads the tags of an HTML page as it streams by, and notices those that hold a CSRF token, or a nonce of
//! a policy that the page has itself.

use crate::Reason;
use crate::holes::Mark;

/// Names by which form fields and meta elements hold a token, in lower case: Django, Flask-WTF, Rails,
/// Express, Spring, Laravel, Symfony, Tornado, ASP.NET, Yii.
const NAMES: &[&[u8]] = &[
    b"csrfmiddlewaretoken",
    b"csrf_token",
    b"csrf-token",
    b"csrftoken",
    b"authenticity_token",
    b"_csrf",
    b"_csrf_token",
    b"_token",
    b"_xsrf",
    b"xsrf-token",
    b"__requestverificationtoken",
    b"yii_csrf_token",
];

/// Longer names hold no token; longer values are looked at up to here.
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 256;

/// The tokenizer of the HTML standard (section 13.2.5), as far as tags and attributes go. Holds a few hundred
/// bytes, however long the page.
#[derive(Debug, Default)]
pub(super) struct Tags {
    state: State,
    name: Vec<u8>,
    value: Vec<u8>,
    found: Option<Reason>,
    /// CSP 3 section 3.3: the page has its Content-Security-Policy in a meta element, and here it has begun.
    policy: bool,
    /// What stands in holes, in lower case.
    marks: Vec<Vec<u8>>,
    /// The tag holds the name of a token.
    named: bool,
    /// The value of the tag is the mark of a hole. Of two values browsers take the first.
    is_hole: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After `<`.
    Open,
    TagName,
    /// Inside a tag, before an attribute.
    Between,
    Name,
    /// After an attribute's name: `=` may follow.
    AfterName,
    BeforeValue,
    /// In a value, up to this quote.
    Quoted(u8),
    Unquoted,
}

impl Tags {
    /// Passes over tokens that are these marks.
    pub(super) fn beside(marks: &[Mark]) -> Self {
        let marks = marks.iter().map(|mark| mark.as_bytes().to_ascii_lowercase()).collect();
        Self { marks, ..Self::default() }
    }

    /// What was found so far.
    pub(super) fn found(&self) -> Option<Reason> {
        self.found
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while self.found.is_none() {
            if self.state == State::Text {
                let Some(at) = memchr::memchr(b'<', rest) else { break };
                rest = &rest[at + 1..];
                self.state = State::Open;
            }
            let Some((byte, after)) = rest.split_first() else { break };
            rest = after;
            self.state = self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) -> State {
        let space = byte.is_ascii_whitespace();
        match self.state {
            State::Text => State::Text,
            State::Open if byte.is_ascii_alphabetic() => State::TagName,
            State::Open if byte == b'<' => State::Open,
            State::Open => State::Text,
            State::TagName | State::Between | State::AfterName if byte == b'>' => self.end(State::Text),
            State::TagName if space || byte == b'/' => State::Between,
            State::TagName => State::TagName,
            State::Between if space || byte == b'/' => State::Between,
            State::Between => self.begin(byte),
            State::Name => match byte {
                b'>' => self.end(State::Text),
                b'/' => self.end(State::Between),
                b'=' => State::BeforeValue,
                _ if space => State::AfterName,
                _ => self.keep(byte, State::Name),
            },
            State::AfterName => match byte {
                b'=' => State::BeforeValue,
                b'/' => self.end(State::Between),
                _ if space => State::AfterName,
                _ => {
                    self.end(State::Between);
                    self.begin(byte)
                }
            },
            State::BeforeValue => match byte {
                b'"' | b'\'' => State::Quoted(byte),
                b'>' => self.end(State::Text),
                _ if space => State::BeforeValue,
                _ => self.keep(byte, State::Unquoted),
            },
            State::Quoted(quote) if byte == quote => self.end(State::Between),
            State::Quoted(quote) => self.keep(byte, State::Quoted(quote)),
            State::Unquoted if byte == b'>' => self.end(State::Text),
            State::Unquoted if space => self.end(State::Between),
            State::Unquoted => self.keep(byte, State::Unquoted),
        }
    }

    /// A new attribute, of which this is the first byte.
    fn begin(&mut self, byte: u8) -> State {
        self.name.clear();
        self.value.clear();
        self.keep(byte, State::Name)
    }

    fn keep(&mut self, byte: u8, state: State) -> State {
        let (buffer, most) = match state {
            State::Name => (&mut self.name, MAX_NAME),
            _ => (&mut self.value, MAX_VALUE),
        };
        if buffer.len() < most {
            buffer.push(byte.to_ascii_lowercase());
        }
        state
    }

    /// An attribute is whole: is it a token's, or a nonce?
    fn end(&mut self, next: State) -> State {
        match self.name.as_slice() {
            b"name" => self.named |= NAMES.contains(&self.value.trim_ascii()),
            b"value" | b"content" if self.is_hole.is_none() => {
                self.is_hole = Some(self.marks.contains(&self.value));
            }
            // htmx with Django: hx-headers='{"X-CSRFToken": "…"}'
            b"hx-headers" | b"data-hx-headers" => {
                if memchr::memmem::find(&self.value, b"csrf").is_some() && !self.holds_mark() {
                    self.found = Some(Reason::CsrfToken);
                }
            }
            b"http-equiv" => {
                self.policy |= self.value.trim_ascii() == b"content-security-policy";
            }
            b"nonce" => {
                let nonce = self.value.trim_ascii();
                if self.policy && !nonce.is_empty() && !self.marks.iter().any(|mark| mark == nonce) {
                    self.found = Some(Reason::Nonce);
                }
            }
            name => {
                if name.starts_with(b"data-csrf") && !self.value.is_empty() && !self.holds_mark() {
                    self.found = Some(Reason::CsrfToken);
                }
            }
        }
        // Without holes there is nothing to wait for.
        if next == State::Text || self.marks.is_empty() {
            if self.named && self.is_hole != Some(true) {
                self.found = Some(Reason::CsrfToken);
            }
            self.named = false;
        }
        if next == State::Text {
            self.is_hole = None;
        }
        self.name.clear();
        self.value.clear();
        next
    }

    fn holds_mark(&self) -> bool {
        self.marks.iter().any(|mark| memchr::memmem::find(&self.value, mark).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_no_more_than_its_bounds() {
        let mut tags = Tags::default();
        let long = "x".repeat(100_000);
        tags.feed(format!("<img {long}=\"{long}\" name=\"{long}").as_bytes());
        assert_eq!(tags.found(), None);
        assert!(tags.name.capacity() <= 2 * MAX_NAME && tags.value.capacity() <= 2 * MAX_VALUE);
        tags.feed(b"\" name=\"csrf_token\">");
        assert_eq!(tags.found(), Some(Reason::CsrfToken));
    }
}
