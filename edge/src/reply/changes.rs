//! Changes the body of a reply as its location says: `replace`, and the charset of `recode`.

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::coding::rule::has_directive;
use crate::coding::{Coding, Codings, head};
use crate::reply::Reply;
use crate::reply::body::ReplyBody;
use crate::reply::body::changed::{BodyChange, ChangedBody, Replacer};
use crate::route::recode::{RecodeRule, RecodeVerdict};
use crate::route::replace::ReplaceRule;
use crate::variables::Facts;

/// Decompresses the reply, if the client does not accept gzip.
pub(crate) fn gunzip(mut reply: Reply, facts: &Facts<'_>) -> Reply {
    let mut coding = reply.headers.get_all(CONTENT_ENCODING).iter();
    let is_gzip = |name: &HeaderValue| {
        name.as_bytes().eq_ignore_ascii_case(b"gzip") || name.as_bytes().eq_ignore_ascii_case(b"x-gzip")
    };
    if !coding.next().is_some_and(is_gzip) || coding.next().is_some() || is_final(&reply) {
        return reply;
    }
    head::varies(&mut reply.headers);
    let accepted = facts.request.fields.joined(&ACCEPT_ENCODING).unwrap_or_default();
    if Codings::of_lines([&*accepted].into_iter()).contains(Coding::Gzip) || !has_body(&reply) {
        return reply;
    }
    reply.headers.remove(CONTENT_ENCODING);
    head::weaken(&mut reply.headers);
    change(reply, BodyChange::Gunzip(Box::default()))
}

/// Replaces texts in the reply.
pub(crate) fn replace(rule: &ReplaceRule, mut reply: Reply, facts: &Facts<'_>) -> Reply {
    if !has_body(&reply)
        || is_final(&reply)
        || reply.headers.contains_key(CONTENT_ENCODING)
        || !rule.suits(&reply.headers)
    {
        return reply;
    }
    if !rule.keeps_date {
        reply.headers.remove(LAST_MODIFIED);
        reply.headers.remove(ETAG);
    }
    change(reply, BodyChange::Replace(Box::new(Replacer::new(rule.pairs(facts), rule.once))))
}

/// Names the charset of the reply, and writes its body in it.
pub(crate) fn recode(rule: &RecodeRule, mut reply: Reply) -> Reply {
    let Some(kind) = reply.headers.get(CONTENT_TYPE) else { return reply };
    let is_coded = reply.headers.contains_key(CONTENT_ENCODING);
    let (kind, table) = match rule.of(kind.as_bytes(), is_coded) {
        RecodeVerdict::Stays => return reply,
        RecodeVerdict::Named(kind) => (kind, None),
        RecodeVerdict::Recoded(..) if is_final(&reply) => return reply,
        RecodeVerdict::Recoded(kind, table) => (kind, Some(table)),
    };
    let Ok(kind) = HeaderValue::from_bytes(&kind) else { return reply };
    reply.headers.insert(CONTENT_TYPE, kind);
    match table {
        Some(table) if table.keeps_length() => changed(reply, BodyChange::Recode(table)),
        Some(table) if has_body(&reply) => change(reply, BodyChange::Recode(table)),
        _ => reply,
    }
}

/// RFC 9111 section 5.2.2.6: "The no-transform response directive indicates that an intermediary (regardless
/// of whether it implements a cache) MUST NOT transform the content".
fn is_final(reply: &Reply) -> bool {
    has_directive(&reply.headers, "no-transform")
}

fn has_body(reply: &Reply) -> bool {
    let is_whole = reply.status != StatusCode::PARTIAL_CONTENT && reply.status != StatusCode::NOT_MODIFIED;
    is_whole && reply.length != Some(0) && !reply.status.is_informational()
}

fn change(mut reply: Reply, change: BodyChange) -> Reply {
    without_length(&mut reply.headers);
    reply.length = None;
    changed(reply, change)
}

fn changed(mut reply: Reply, change: BodyChange) -> Reply {
    let body = std::mem::replace(&mut reply.body, ReplyBody::Empty);
    // HEAD has none, and gets the head that GET would get.
    reply.body = match body {
        ReplyBody::Empty => ReplyBody::Empty,
        body => ReplyBody::Changed(Box::new(ChangedBody::new(body, change))),
    };
    // What fills holes is still for one visitor.
    reply.kept = None;
    reply
}

fn without_length(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderName;
    use http::header::CACHE_CONTROL;
    use process::settings::Mistakes;

    use super::*;
    use crate::reply::ReplyParts;
    use crate::settings::{RecodeConfig, ReplaceConfig};
    use crate::variables::VariableNames;
    use crate::variables::facts::tests::facts_of;

    fn page(fields: &[(HeaderName, &'static str)]) -> Reply {
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = fields.collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        ReplyParts::new(StatusCode::OK, headers, ReplyBody::Whole(Bytes::from_static(b"\xc1")))
            .with_length(Some(1))
    }

    #[test]
    fn a_reply_that_forbids_it_is_not_changed() {
        let replaced: ReplaceConfig = toml::from_str("texts = [[\"a\", \"b\"]]").unwrap();
        let replaced = ReplaceRule::new("", &replaced, &VariableNames::default(), &mut Mistakes::default());
        let recoded = "charset = \"utf-8\"\nsource = \"koi8-r\"\ntable = [[\"C1\", \"D0B0\"]]";
        let recoded = RecodeRule::new(&toml::from_str::<RecodeConfig>(recoded).unwrap()).unwrap();
        let fields = HeaderMap::new();
        for (directives, is_changed) in [("max-age=5", true), ("max-age=5, No-Transform", false)] {
            let forbids = [(CACHE_CONTROL, directives)];
            let first = replace(replaced.as_ref().unwrap(), page(&forbids), &facts_of("/", &fields));
            let second = recode(&recoded, page(&forbids));
            for reply in [first, second] {
                assert_eq!(matches!(reply.body, ReplyBody::Changed(_)), is_changed, "{directives}");
                assert_eq!(reply.length, (!is_changed).then_some(1), "{directives}");
            }
        }
    }
}
