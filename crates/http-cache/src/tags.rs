//! The tags by which a stored reply can be purged: Surrogate-Key, Cache-Tag, Edge-Cache-Tag, Cache-Groups.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, List, ListEntry, Parser};

use crate::{Reason, key};

/// The most tags of one reply, and the longest. A reply with more, or longer ones, is not stored: a purge could miss it.
pub const MAX_TAGS: usize = 256;
pub const MAX_TAG: usize = 256;

/// The fields, and what separates the tags of each.
const FIELDS: &[(&str, &[u8])] = &[("surrogate-key", b" \t"), ("cache-tag", b","), ("edge-cache-tag", b",")];
pub(crate) const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");

/// The tags of a reply stored under `key`: sorted, without repeats. A group of Cache-Groups holds for one origin only
/// (RFC 9875), so it is written as [`group`] has it.
pub fn tags(key: &[u8], reply: &HeaderMap) -> Result<Vec<Bytes>, Reason> {
    let mut tags = Vec::new();
    for (name, separators) in FIELDS {
        for line in reply.get_all(*name) {
            let words = line.as_bytes().split(|byte| separators.contains(byte)).map(<[u8]>::trim_ascii);
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

/// A group as a tag: the key's origin, a zero byte, the name. No field value can hold the zero byte, so an application
/// cannot put another site's group on its reply.
pub fn group(key: &[u8], name: &str) -> Vec<u8> {
    [key::origin(key), &[0], name.as_bytes()].concat()
}

/// A List of Strings (RFC 9651); anything else, or a list that holds anything else, is as if it were not there.
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
    fn more_tags_than_a_purge_can_be_sure_of() {
        let list = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(of(&[("surrogate-key", &list(MAX_TAGS))]).unwrap().len(), MAX_TAGS);
        assert_eq!(of(&[("surrogate-key", &list(MAX_TAGS + 1))]), Err(Reason::TooManyTags));
        assert_eq!(of(&[("cache-tag", &"x".repeat(MAX_TAG))]).unwrap().len(), 1);
        assert_eq!(of(&[("cache-tag", &"x".repeat(MAX_TAG + 1))]), Err(Reason::TooManyTags));
    }
}
