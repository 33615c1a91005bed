//! From text to a filter.

use regex::RegexBuilder;

use crate::field::{self, NumberField, TextField};
use crate::filter::{Condition, Limit};
use crate::mistake::FilterMistake;
use crate::token::{Operator, Token, tokens};

/// Bytes of a filter.
const LONGEST: usize = 4096;
/// Brackets and `not` within each other.
const DEEPEST: usize = 32;
/// Bytes of a compiled regular expression.
const LARGEST_PATTERN: usize = 256 * 1024;

pub(crate) fn filter(text: &str) -> Result<Option<Condition>, FilterMistake> {
    if text.len() > LONGEST {
        return Err(FilterMistake::new("", 0, format!("a filter has at most {LONGEST} bytes")));
    }
    let mut parser = Parser { filter: text, tokens: tokens(text)?, next: 0, depth: 0 };
    if parser.peek() == &Token::End {
        return Ok(None);
    }
    let condition = parser.any()?;
    match parser.peek() {
        Token::End => Ok(Some(condition)),
        Token::Close => Err(parser.mistake("this bracket was never opened")),
        _ => Err(parser.mistake("write `and` or `or` between two conditions")),
    }
}

struct Parser<'a> {
    filter: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.filter.len(), |(at, _)| *at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn mistake(&self, text: impl Into<String>) -> FilterMistake {
        FilterMistake::new(self.filter, self.at(), text)
    }

    fn any(&mut self) -> Result<Condition, FilterMistake> {
        let mut any = vec![self.all()?];
        while self.peek() == &Token::Or {
            self.take();
            any.push(self.all()?);
        }
        Ok(Condition::Any(any))
    }

    fn all(&mut self) -> Result<Condition, FilterMistake> {
        let mut all = vec![self.one()?];
        while self.peek() == &Token::And {
            self.take();
            all.push(self.one()?);
        }
        Ok(Condition::All(all))
    }

    fn one(&mut self) -> Result<Condition, FilterMistake> {
        if self.depth == DEEPEST {
            return Err(self.mistake("too many brackets within each other"));
        }
        self.depth += 1;
        let condition = match self.peek() {
            Token::Not => {
                self.take();
                Ok(Condition::Not(Box::new(self.one()?)))
            }
            Token::Open => {
                self.take();
                let inner = self.any()?;
                if self.peek() != &Token::Close {
                    return Err(self.mistake("a bracket is not closed here"));
                }
                self.take();
                Ok(inner)
            }
            Token::Word(_) => self.comparison(),
            Token::End => Err(self.mistake("a condition is missing here, such as status >= 500")),
            _ => Err(self.mistake("a condition begins with a field, such as status")),
        };
        self.depth -= 1;
        condition
    }

    fn comparison(&mut self) -> Result<Condition, FilterMistake> {
        let Token::Word(word) = self.peek().clone() else {
            return Err(self.mistake("a field is missing here"));
        };
        if let Some(field) = NumberField::named(&word) {
            self.take();
            return self.of_number(field, &word);
        }
        let Some(field) = TextField::named(&word) else {
            let known: Vec<&str> = field::words().collect();
            return Err(self.mistake(format!("there is no field `{word}`; known are {}", known.join(", "))));
        };
        self.take();
        self.of_text(field, &word)
    }

    fn of_text(&mut self, field: TextField, word: &str) -> Result<Condition, FilterMistake> {
        if self.peek() == &Token::Word("in".to_owned()) {
            let mut one_of = Vec::new();
            self.list(|this| {
                one_of.push(this.text()?);
                Ok(())
            })?;
            return Ok(Condition::Text { field, one_of });
        }
        let Token::Operator(operator) = self.peek() else { return Err(self.no_operator(word)) };
        let operator = *operator;
        if !matches!(
            operator,
            Operator::Equal | Operator::Unequal | Operator::Matches { .. } | Operator::Unlike { .. }
        ) {
            return Err(self.mistake(format!("`{word}` is a text: compare it by ==, !=, ~, !~ or in")));
        }
        self.take();
        let at = self.at();
        let text = self.text()?;
        Ok(match operator {
            Operator::Matches { any_case } => self.pattern(field, &text, any_case, at)?,
            Operator::Unlike { any_case } => {
                Condition::Not(Box::new(self.pattern(field, &text, any_case, at)?))
            }
            Operator::Unequal => Condition::Not(Box::new(Condition::Text { field, one_of: vec![text] })),
            _ => Condition::Text { field, one_of: vec![text] },
        })
    }

    fn pattern(
        &self,
        field: TextField,
        text: &str,
        any_case: bool,
        at: usize,
    ) -> Result<Condition, FilterMistake> {
        let compiled = RegexBuilder::new(text).case_insensitive(any_case).size_limit(LARGEST_PATTERN).build();
        compiled.map(|pattern| Condition::Matches { field, pattern }).map_err(|error| {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            FilterMistake::new(self.filter, at, format!("invalid regular expression: {why}"))
        })
    }

    fn of_number(&mut self, field: NumberField, word: &str) -> Result<Condition, FilterMistake> {
        if self.peek() == &Token::Word("in".to_owned()) {
            let mut any = Vec::new();
            self.list(|this| {
                any.push(this.equal(field, word)?);
                Ok(())
            })?;
            return Ok(Condition::Any(any));
        }
        let Token::Operator(operator) = self.peek() else { return Err(self.no_operator(word)) };
        let operator = *operator;
        if matches!(operator, Operator::Matches { .. } | Operator::Unlike { .. }) {
            return Err(
                self.mistake(format!("`{word}` is a number: compare it by ==, !=, <, >, <=, >= or in"))
            );
        }
        self.take();
        if operator == Operator::Equal {
            return self.equal(field, word);
        }
        if operator == Operator::Unequal {
            return Ok(Condition::Not(Box::new(self.equal(field, word)?)));
        }
        let number = self.number(field, word)?;
        let (from, to) = match operator {
            Operator::AtLeast => (Limit::Including(number), Limit::None),
            Operator::Above => (Limit::Excluding(number), Limit::None),
            Operator::AtMost => (Limit::None, Limit::Including(number)),
            _ => (Limit::None, Limit::Excluding(number)),
        };
        Ok(Condition::Range { field, from, to })
    }

    /// A number, or a class of statuses.
    fn equal(&mut self, field: NumberField, word: &str) -> Result<Condition, FilterMistake> {
        if let (NumberField::Status, Token::Word(value)) = (field, self.peek())
            && let Some(class) = value.strip_suffix("xx").and_then(|class| class.parse::<u8>().ok())
        {
            self.take();
            let from = f64::from(class) * 100.0;
            return Ok(Condition::Range {
                field,
                from: Limit::Including(from),
                to: Limit::Excluding(from + 100.0),
            });
        }
        let number = self.number(field, word)?;
        Ok(Condition::Range { field, from: Limit::Including(number), to: Limit::Including(number) })
    }

    fn number(&mut self, field: NumberField, word: &str) -> Result<f64, FilterMistake> {
        let value = match self.peek() {
            Token::Word(value) | Token::Text(value) => value.clone(),
            _ => return Err(self.mistake(format!("a number to compare `{word}` with is missing here"))),
        };
        let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
        let (digits, unit) = value.split_at(digits);
        let factor = match (field.is_time(), unit) {
            (_, "") => Some(1.0),
            (true, "us" | "µs") => Some(1e-6),
            (true, "ms") => Some(1e-3),
            (true, "s") => Some(1.0),
            (true, "m" | "min") => Some(60.0),
            (false, "k" | "K" | "KiB") if field == NumberField::Bytes => Some(1024.0),
            (false, "m" | "M" | "MiB") if field == NumberField::Bytes => Some(1024.0 * 1024.0),
            _ => None,
        };
        match (digits.parse::<f64>(), factor) {
            (Ok(number), Some(factor)) => {
                self.take();
                Ok(number * factor)
            }
            _ => {
                let example = match field {
                    NumberField::Status => "500 or 5xx",
                    NumberField::Bytes => "1000 or 64KiB",
                    _ if field.is_time() => "250ms or 1.5s",
                    _ => "2",
                };
                Err(self.mistake(format!("`{word}` is a number, such as {example}, not `{value}`")))
            }
        }
    }

    fn text(&mut self) -> Result<String, FilterMistake> {
        match self.peek().clone() {
            Token::Word(text) | Token::Text(text) => {
                self.take();
                Ok(text)
            }
            _ => Err(self.mistake("a text is missing here; put it in quotes")),
        }
    }

    /// `in (a, b)`.
    fn list(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), FilterMistake>,
    ) -> Result<(), FilterMistake> {
        self.take();
        if self.peek() != &Token::Open {
            return Err(self.mistake("write a list in brackets after `in`, such as (500, 502)"));
        }
        self.take();
        loop {
            element(self)?;
            match self.peek() {
                Token::Comma => drop(self.take()),
                Token::Close => {
                    self.take();
                    return Ok(());
                }
                _ => return Err(self.mistake("write a comma or a closing bracket here")),
            }
        }
    }

    fn no_operator(&self, word: &str) -> FilterMistake {
        self.mistake(format!("how to compare `{word}` is missing here, such as {word} =="))
    }
}
