//! The words of a filter, each with its place.

use crate::mistake::FilterMistake;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A field, a value, a number with its unit, `and`, `or`, `not`, `in`.
    Word(String),
    Text(String),
    Operator(Operator),
    And,
    Or,
    Not,
    Open,
    Close,
    Comma,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Unequal,
    AtLeast,
    AtMost,
    Above,
    Below,
    Matches { any_case: bool },
    Unlike { any_case: bool },
}

/// Longest first.
const SIGNS: [(&str, Token); 18] = [
    ("!~*", Token::Operator(Operator::Unlike { any_case: true })),
    ("!~", Token::Operator(Operator::Unlike { any_case: false })),
    ("~*", Token::Operator(Operator::Matches { any_case: true })),
    ("=~", Token::Operator(Operator::Matches { any_case: false })),
    ("~", Token::Operator(Operator::Matches { any_case: false })),
    ("==", Token::Operator(Operator::Equal)),
    ("!=", Token::Operator(Operator::Unequal)),
    (">=", Token::Operator(Operator::AtLeast)),
    ("<=", Token::Operator(Operator::AtMost)),
    ("=", Token::Operator(Operator::Equal)),
    (">", Token::Operator(Operator::Above)),
    ("<", Token::Operator(Operator::Below)),
    ("&&", Token::And),
    ("||", Token::Or),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    (",", Token::Comma),
];

/// All of them, and the end.
pub(crate) fn tokens(filter: &str) -> Result<Vec<(usize, Token)>, FilterMistake> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    loop {
        let rest = filter.get(at..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        let rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        let (token, length) = match first {
            '"' | '\'' => text(rest, first).map_err(|text| FilterMistake::new(filter, at, text))?,
            _ => match SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                Some((sign, token)) => (token.clone(), sign.len()),
                None => word(rest),
            },
        };
        if length == 0 {
            return Err(FilterMistake::new(filter, at, format!("`{first}` means nothing here")));
        }
        tokens.push((at, token));
        at += length;
    }
    tokens.push((at, Token::End));
    Ok(tokens)
}

fn word(rest: &str) -> (Token, usize) {
    let is_part = |c: char| c.is_alphanumeric() || "_-./:*%@+[]".contains(c);
    let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let word = rest.get(..length).unwrap_or_default();
    let token = match word {
        "and" => Token::And,
        "or" => Token::Or,
        "not" => Token::Not,
        word => Token::Word(word.to_owned()),
    };
    (token, length)
}

/// Between quotes. A backslash keeps its meaning for regular expressions; only a quote after it is a quote.
fn text(rest: &str, quote: char) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if characters.peek().is_some_and(|(_, next)| *next == quote) => {
                text.push(quote);
                characters.next();
            }
            _ if character == quote => return Ok((Token::Text(text), at + quote.len_utf8())),
            _ => text.push(character),
        }
    }
    Err(format!("this text has no end; close it with {quote}"))
}
