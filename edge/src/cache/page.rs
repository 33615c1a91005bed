//! A page as this edge keeps and sends it: the reply's head and body, how long it is good for, and which
//! requests it answers.

mod coded;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AGE, DATE};
use http::{HeaderMap, HeaderName, StatusCode};
use http_cache::cache_status::{CACHE_STATUS, X_CACHE_STATUS};
use http_cache::holes::{Holes, WEIR_HOLES};
use http_cache::{Lifetime, Reason, Use, tags};
use http1::write;
use purge::Reach;
use tokio::sync::OnceCell;
use weir_proto::cache::EntryHead;
use weir_proto::fields::{self, InvalidField};

use self::coded::CodedVariants;
use crate::coding::copies::CodedCopies;
use crate::coding::encoder::Level;
use crate::coding::pieces::GzipPieces;
use crate::coding::rule::Compress;
use crate::coding::work::CodingCapacity;
use crate::coding::{self, Coding};
use crate::purge_log::{PurgeCheck, PurgeStamp};

/// Fields that differ between hits of a page stand last, here as in a prepared head.
pub(crate) const LAST: [HeaderName; 3] = [CACHE_STATUS, X_CACHE_STATUS, AGE];

/// Everything of a page except its body.
#[derive(Clone, Debug)]
pub(crate) struct PageHead {
    pub status: StatusCode,
    /// The fields as stored: without hop-by-hop fields, but with those that steer the cache.
    pub headers: HeaderMap,
    pub lifetime: Lifetime,
    /// When the page had age 0, by this machine's monotonic clock.
    pub born: Instant,
    /// The right by which it was made, which tells which purges reach it.
    pub grant: PurgeStamp,
    /// Hashes of its tags, by which purges find it.
    pub tags: Box<[u64]>,
}

/// Why a page is served past its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staleness {
    /// One request is refreshing it (RFC 5861 section 3).
    Revalidating,
    /// The application failed (RFC 5861 section 4), or its last reply could not be stored; why.
    Failing(Reason),
}

/// A complete page.
#[derive(Debug)]
pub(crate) struct Page {
    pub head: PageHead,
    pub body: Bytes,
    /// The fields as clients see them, without those that steer the cache.
    pub headers: HeaderMap,
    /// Status line and fields as they are sent, without Age, our Cache-Status and Connection.
    pub wire_head: Bytes,
    /// Whether `wire_head` has the Date.
    pub has_date: bool,
    /// The purge up to which it is known to be untouched.
    checked: PurgeCheck,
    /// Places in the body that are filled for each visitor.
    pub holes: Option<Arc<Holes>>,
    /// Where it has holes: the body in gzip, coded for the first who wants it.
    pieces: Option<Box<OnceCell<GzipPieces>>>,
    /// The copies of its body in content codings.
    pub coded: CodedCopies,
    variants: CodedVariants,
}

impl PageHead {
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born)
    }

    pub(crate) fn use_at(&self, now: Instant) -> Use {
        self.lifetime.use_at(self.age(now))
    }

    /// What later purges have done to the page of this key, which is not stored here.
    pub(crate) fn reach(&self, key: &[u8], now: Instant) -> Reach {
        self.grant.reach(http_cache::key::url(key), &self.tags, &PurgeCheck::default(), now)
    }

    /// Converts from the contract's form. Refuses what no edge would have stored: a node or Redis may hold
    /// what somebody else has written there.
    pub(crate) fn from_entry(
        entry: &EntryHead,
        grant: PurgeStamp,
        now: Instant,
    ) -> Result<Self, InvalidField> {
        let headers = fields::to_headers(&entry.fields)?;
        let holes = Holes::of(&headers).map_err(|_| InvalidField)?;
        let status = http_cache::status_of_entry(entry.status, holes.is_some());
        if !headers.keys().all(http_cache::fields::is_stored) {
            return Err(InvalidField);
        }
        let vary: Result<Vec<_>, _> = entry
            .vary
            .iter()
            .map(|name| HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidField))
            .collect();
        let age = Duration::from_millis(entry.age_ms);
        Ok(Self {
            status: status.ok_or(InvalidField)?,
            headers,
            lifetime: Lifetime {
                ttl: Duration::from_millis(entry.ttl_ms),
                stale_while_revalidate: Duration::from_millis(entry.stale_while_revalidate_ms),
                stale_if_error: Duration::from_millis(entry.stale_if_error_ms),
                age,
                vary: vary?,
                shared: entry.shared,
                // Such a page stays in the edge that requested it.
                validate: false,
                // Only of interest where the lifetime is decided.
                source: http_cache::Source::Setting,
            },
            born: now.checked_sub(age).unwrap_or(now),
            grant,
            tags: entry.tags.iter().map(|tag| purge::tag_hash(tag)).collect(),
        })
    }

    /// Converts to the contract's form, with its present age.
    pub(crate) fn to_entry(&self, key: &[u8], now: Instant) -> EntryHead {
        EntryHead {
            status: http_cache::entry_status(self.status, self.headers.contains_key(WEIR_HOLES)),
            fields: fields::from_headers(&self.headers),
            age_ms: self.age(now).as_millis() as u64,
            ttl_ms: self.lifetime.ttl.as_millis() as u64,
            stale_while_revalidate_ms: self.lifetime.stale_while_revalidate.as_millis() as u64,
            stale_if_error_ms: self.lifetime.stale_if_error.as_millis() as u64,
            vary: self.lifetime.vary.iter().map(|name| name.as_str().to_owned()).collect(),
            shared: self.lifetime.shared,
            tags: tags::tags(key, &self.headers).unwrap_or_default(),
        }
    }
}

impl Page {
    pub(crate) fn new(head: PageHead, body: Bytes) -> Self {
        let mut headers = head.headers.clone();
        http_cache::fields::client_headers(&mut headers);
        // Another cache's own statement in nginx's words would look like ours.
        headers.remove(X_CACHE_STATUS);
        let mut wire_head = Vec::with_capacity(512);
        write::start(&mut wire_head, head.status, &headers, &LAST);
        if !write::bodiless(head.status) {
            write::length_line(&mut wire_head, body.len() as u64);
        }
        for value in headers.get_all(CACHE_STATUS) {
            // The statements of caches behind Weir; ours is appended.
            write::field_line(&mut wire_head, CACHE_STATUS.as_str(), value.as_bytes());
        }
        let has_date = headers.contains_key(DATE);
        let holes = Holes::of(&head.headers).ok().flatten().map(Arc::new);
        Self {
            pieces: holes.as_ref().map(|_| Box::default()),
            holes,
            head,
            body,
            headers,
            wire_head: wire_head.into(),
            has_date,
            checked: PurgeCheck::default(),
            coded: CodedCopies::default(),
            variants: CodedVariants::default(),
        }
    }

    /// The page as a client gets it that accepts these codings, if the location compresses. `None`: its body
    /// has not been coded yet.
    pub(crate) fn variant(self: &Arc<Self>, rule: &Compress, accepted: Option<Coding>) -> Option<Arc<Self>> {
        if !self
            .variants
            .suits(rule, || rule.suits(self.head.status, &self.headers, Some(self.body.len() as u64)))
        {
            return Some(self.clone());
        }
        let Some(coding) = accepted else {
            return Some(self.variants.get_or_make(None, || self.in_coding(None)));
        };
        match self.coded.peek(coding)? {
            Some(body) => {
                Some(self.variants.get_or_make(accepted, || self.in_coding(Some((coding, body.clone())))))
            }
            None => Some(self.variants.get_or_make(None, || self.in_coding(None))),
        }
    }

    /// The body in gzip, to be filled for each visitor. `None`: it has no holes, or cannot be coded now.
    pub(crate) async fn gzip_pieces(&self, works: &CodingCapacity, level: Level) -> Option<&GzipPieces> {
        let (holes, pieces) = self.holes.as_deref().zip(self.pieces.as_deref())?;
        pieces.get_or_try_init(|| GzipPieces::make(works, level, &self.body, holes)).await.ok()
    }

    fn in_coding(&self, coded: Option<(Coding, Bytes)>) -> Self {
        let mut head = self.head.clone();
        coding::head::varies(&mut head.headers);
        let body = match coded {
            Some((coding, body)) => {
                coding::head::coded(&mut head.headers, coding);
                body
            }
            None => self.body.clone(),
        };
        Self::new(head, body)
    }

    /// Its lifetime after all purges. `None`: it is gone.
    pub(crate) fn lifetime(&self, key: &[u8], now: Instant) -> Option<Cow<'_, Lifetime>> {
        let lifetime = &self.head.lifetime;
        match self.reach(key, now) {
            Reach::Untouched => Some(Cow::Borrowed(lifetime)),
            Reach::Stale(since) => {
                let ttl = lifetime.ttl.min(self.head.age(since));
                Some(Cow::Owned(Lifetime { ttl, ..lifetime.clone() }))
            }
            Reach::Gone => None,
        }
    }

    /// What later purges have done to it.
    pub(crate) fn reach(&self, key: &[u8], now: Instant) -> Reach {
        self.head.grant.reach(http_cache::key::url(key), &self.head.tags, &self.checked, now)
    }
}

/// The tags of a reply for the page of this key, in the form that purges compare.
pub(crate) fn tag_hashes(key: &[u8], headers: &HeaderMap) -> Box<[u64]> {
    let tags = tags::tags(key, headers).unwrap_or_default();
    tags.iter().map(|tag| purge::tag_hash(tag)).collect()
}

#[cfg(test)]
mod tests {
    use weir_proto::origin::Field;

    use super::*;

    #[test]
    fn an_entry_that_no_edge_would_have_stored_is_refused() {
        let entry = |status, fields: &[(&'static str, &'static str)]| EntryHead {
            status,
            fields: fields
                .iter()
                .map(|(name, value)| Field { name: (*name).into(), value: (*value).into() })
                .collect(),
            ..EntryHead::default()
        };
        let taken =
            |entry: &EntryHead| PageHead::from_entry(entry, PurgeStamp::passing(), Instant::now()).is_ok();
        for status in [200, 203, 301, 404, 410, 503, 599] {
            assert!(taken(&entry(status, &[("etag", "\"a\"")])), "{status}");
        }
        for status in [0, 99, 100, 101, 103, 206, 304, 600, 999, 1000, 70_000] {
            assert!(!taken(&entry(status, &[])), "{status}");
        }
        let mark = "m".repeat(64);
        let declared = format!("csrf;mark=\"{mark}\";cookie=\"t\"");
        let holes = |status, declared: &str| {
            let mut entry = entry(status, &[]);
            entry.fields.push(Field { name: "weir-holes".into(), value: declared.to_owned().into() });
            entry
        };
        assert!(taken(&holes(1200, &declared)));
        let head =
            PageHead::from_entry(&holes(1200, &declared), PurgeStamp::passing(), Instant::now()).unwrap();
        assert_eq!((head.status, head.to_entry(b"", Instant::now()).status), (StatusCode::OK, 1200));
        for (status, declared) in [(200, declared.as_str()), (1304, &declared), (1200, "csrf"), (200, "csrf")]
        {
            assert!(!taken(&holes(status, declared)), "{status} {declared}");
        }
        assert!(!taken(&entry(1200, &[])), "as an edge that knows no holes reads it");
        for name in ["set-cookie", "connection", "transfer-encoding", "upgrade", "a b"] {
            assert!(!taken(&entry(200, &[(name, "x")])), "{name}");
        }
    }
}
