//! The tags by which a stored reply can be purged: Surrogate-Key, Cache-Tag, Edge-Cache-Tag, Cache-Groups.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, List, ListEntry, Parser};

use crate::{Reason, key};

/// The most tags of one reply, and the longest. A reply with more, or longer ones, is not stored: a purge
/// could miss it.
pub const MAX_TAGS: usize = 256;
pub const MAX_TAG: usize = 256;

/// The fields, and what separates the tags of each.
const FIELDS: &[(&str, &[u8])] = &[("surrogate-key", b" \t"), ("cache-tag", b","), ("edge-cache-tag", b",")];
pub(crate) const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");

/// Whether a field of this name holds tags.
pub(crate) fn is_field(name: &HeaderName) -> bool {
    *name == CACHE_GROUPS || FIELDS.iter().any(|(known, _)| *name == *known)
}

/// The tags of a reply stored under `key`: sorted, without repeats. A group of Cache-Groups holds for one
/// origin only (RFC 9875), so it is written as [`group`] has it.
pub fn tags(key: &[u8], reply: &HeaderMap) -> Result<Vec<Bytes>, Reason> {
    let mut tags = Vec::new();
    for (name, separators) in FIELDS {
        for line in reply.get_all(*name) {
            let line = text(line.as_bytes());
            let words = line.split(|byte| separators.contains(byte)).map(<[u8]>::trim_ascii);
            for tag in words.filter(|tag| !tag.is_empty()) {
                push(tag, &mut tags)?;
            }
        }
    }
    for name in strings(reply, &CACHE_GROUPS) {
        push(&group(key, &name), &mut tags)?;
    }
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// The text of a field in UTF-8, however the application has sent it: as UTF-8, as Latin-1 (Python's
/// servers), or as Django does what Latin-1 cannot hold, in RFC 2047's encoded words.
fn text(line: &[u8]) -> Cow<'_, [u8]> {
    if line.is_ascii() {
        return encoded_words(line).map_or(Cow::Borrowed(line), Cow::Owned);
    }
    match std::str::from_utf8(line) {
        Ok(_) => Cow::Borrowed(line),
        Err(_) => Cow::Owned(latin1(line)),
    }
}

fn latin1(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes()
}

/// None: there is none, or one of them is not to be read.
fn encoded_words(line: &[u8]) -> Option<Vec<u8>> {
    let mut rest = line;
    let (mut out, mut after_word) = (Vec::new(), false);
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let (before, word) = rest.split_at(at);
        // RFC 2047 section 6.2: "any 'linear-white-space' that separates a pair of adjacent 'encoded-word's
        // is ignored"
        if !(after_word && before.iter().all(u8::is_ascii_whitespace)) {
            out.extend_from_slice(before);
        }
        let mut parts = word.get(2..)?.splitn(4, |byte| *byte == b'?');
        let (charset, encoding, coded) = (parts.next()?, parts.next()?, parts.next()?);
        rest = parts.next()?.strip_prefix(b"=")?;
        let bytes = match encoding {
            b"b" | b"B" => STANDARD.decode(coded).ok()?,
            b"q" | b"Q" => quoted(coded)?,
            _ => return None,
        };
        let utf8 = charset.eq_ignore_ascii_case(b"utf-8");
        match std::str::from_utf8(&bytes) {
            Ok(_) if utf8 => out.extend_from_slice(&bytes),
            _ if charset.eq_ignore_ascii_case(b"iso-8859-1") => out.extend(latin1(&bytes)),
            _ => return None,
        }
        after_word = true;
    }
    out.extend_from_slice(rest);
    after_word.then_some(out)
}

/// RFC 2047 section 4.2: `=` and two digits are a byte, and `_` a space.
fn quoted(coded: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(coded.len());
    let mut rest = coded.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [*rest.next()?, *rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => *other,
        });
    }
    Some(out)
}

/// A group as a tag: the key's origin, a zero byte, the name. No field value can hold the zero byte, so an
/// application cannot put another site's group on its reply.
pub fn group(key: &[u8], name: &str) -> Vec<u8> {
    [key::origin(key), &[0], name.as_bytes()].concat()
}

/// Whether a reply could carry this tag: others can be purged in vain only.
pub fn is_possible(tag: &str) -> bool {
    let is_text = tag.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
    !tag.is_empty() && tag.len() <= MAX_TAG && is_text && tag.trim_ascii() == tag
}

/// A List of Strings (RFC 9651); anything else, or a list that holds anything else, is as if it were not
/// there.
pub(crate) fn strings(reply: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines: Vec<&[u8]> = reply.get_all(name).iter().map(|line| line.as_bytes()).collect();
    let Ok(list) = Parser::new(&lines.join(&b", "[..])).parse::<List>() else { return Vec::new() };
    let string = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::String(text) => Some(text.as_str().to_owned()),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    };
    list.iter().map(string).collect::<Option<_>>().unwrap_or_default()
}

fn push(tag: &[u8], tags: &mut Vec<Bytes>) -> Result<(), Reason> {
    if tags.len() >= MAX_TAGS || tag.len() > MAX_TAG {
        return Err(Reason::TooManyTags);
    }
    tags.push(Bytes::copy_from_slice(tag));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&'static str, &str)]) -> Result<Vec<String>, Reason> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let tags = tags(b"https://h/a\0lang=de", &headers)?;
        Ok(tags.iter().map(|tag| String::from_utf8(tag.to_vec()).unwrap()).collect())
    }

    #[test]
    fn fields_and_their_separators() {
        type Fields<'a> = &'a [(&'static str, &'a str)];
        let cases: &[(Fields<'_>, &[&str])] = &[
            (&[], &[]),
            (&[("surrogate-key", "news  front-page article-7")], &["article-7", "front-page", "news"]),
            (&[("surrogate-key", "a,b")], &["a,b"]),
            (&[("cache-tag", "news, front page,,x")], &["front page", "news", "x"]),
            (&[("edge-cache-tag", "a"), ("cache-tag", "b"), ("surrogate-key", "b")], &["a", "b"]),
            (&[("surrogate-key", "a"), ("surrogate-key", "b")], &["a", "b"]),
            (
                &[("cache-groups", "\"scripts\", \"a b\";revalidate")],
                &["https://h\0a b", "https://h\0scripts"],
            ),
            (&[("cache-groups", "\"a\""), ("cache-groups", "\"b\"")], &["https://h\0a", "https://h\0b"]),
            (&[("cache-groups", "token")], &[]),
            (&[("cache-groups", "\"a\", 1")], &[]),
            (&[("cache-groups", "\"a")], &[]),
        ];
        for (fields, expected) in cases {
            assert_eq!(
                of(fields).as_deref(),
                Ok(&expected.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>()[..]),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn tags_in_any_alphabet_are_the_same_however_they_are_sent() {
        let sent: &[(&[u8], &[&str])] = &[
            ("café news".as_bytes(), &["café", "news"]),
            (b"caf\xe9 news", &["café", "news"]),
            // As Django sends "новости", "café ёлка" and a short word.
            (b"=?utf-8?b?0L3QvtCy0L7RgdGC0Lg=?=", &["новости"]),
            (b"=?utf-8?b?Y2Fmw6kg0ZHQu9C60LA=?=", &["café", "ёлка"]),
            (b"=?utf-8?q?caf=C3=A9_news?=", &["café", "news"]),
            (b"=?ISO-8859-1?Q?caf=E9?=", &["café"]),
            (b"=?utf-8?q?a?= =?utf-8?q?b?=", &["ab"]),
            (b"a=?b", &["a=?b"]),
            (b"=?utf-8?x?a?=", &["=?utf-8?x?a?="]),
        ];
        for (line, expected) in sent {
            let mut headers = HeaderMap::new();
            headers.insert("surrogate-key", http::HeaderValue::from_bytes(line).unwrap());
            let tags = tags(b"", &headers).unwrap();
            let tags: Vec<_> = tags.iter().map(|tag| std::str::from_utf8(tag).unwrap()).collect();
            assert_eq!(&tags, expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn more_tags_than_a_purge_can_be_sure_of() {
        let list = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(of(&[("surrogate-key", &list(MAX_TAGS))]).unwrap().len(), MAX_TAGS);
        assert_eq!(of(&[("surrogate-key", &list(MAX_TAGS + 1))]), Err(Reason::TooManyTags));
        assert_eq!(of(&[("cache-tag", &"x".repeat(MAX_TAG))]).unwrap().len(), 1);
        assert_eq!(of(&[("cache-tag", &"x".repeat(MAX_TAG + 1))]), Err(Reason::TooManyTags));
        // RFC 9875 section 2: "at least 32 groups in a field value, with up to at least 32 characters".
        let groups: Vec<String> = (0..32).map(|n| format!("\"{n:032}\"")).collect();
        assert_eq!(of(&[("cache-groups", &groups.join(", "))]).unwrap().len(), 32);
    }
}
