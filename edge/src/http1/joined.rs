//! Hot pages as they are sent, head and body in one piece. Each thread keeps a few, each for as long as all
//! hits get the same bytes. One piece is cheaper to send than two, and no head has to be written.

use std::sync::Arc;

use crate::cache::page::Page;
use http1::head::Version;

/// So many pages at a time.
const PLACES: usize = 8;
/// The largest body that is joined with its head, which bounds the memory of a thread.
const MAX_BODY: usize = 32 * 1024;

/// What differs between two hits of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HitHead {
    /// Seconds.
    pub(crate) age: u64,
    /// Seconds of freshness left.
    pub(crate) ttl: i64,
    /// The second that the Date names.
    pub(crate) date: u64,
    pub(crate) keep_alive: bool,
    pub(crate) version: Version,
    /// The number of what the settings add; 0: nothing.
    pub(crate) fields: u64,
}

#[derive(Default)]
pub(crate) struct JoinedPages {
    places: [Option<JoinedPage>; PLACES],
}

struct JoinedPage {
    page: Arc<Page>,
    said: HitHead,
    /// Hits that say this; counts up to three.
    hits: u8,
    /// The length of the head in `bytes`.
    head: usize,
    /// Filled from the second hit on.
    bytes: Vec<u8>,
}

impl JoinedPages {
    /// Head and body of a hit that says this, and where the body begins. `None`: send it in two pieces.
    pub(crate) fn find(
        &mut self,
        page: &Arc<Page>,
        said: HitHead,
        write_head: impl FnOnce(&mut Vec<u8>),
    ) -> Option<(&[u8], usize)> {
        if page.body.len() > MAX_BODY {
            return None;
        }
        let place = self.places.get_mut(place_of(page))?;
        let kept = place.get_or_insert_with(|| JoinedPage::new(page, said));
        if !Arc::ptr_eq(&kept.page, page) || kept.said != said {
            kept.page.clone_from(page);
            kept.said = said;
            kept.hits = 0;
        }
        kept.hits += 1;
        match kept.hits {
            // A page with few requests is not copied.
            1 => return None,
            2 => {
                kept.bytes.clear();
                write_head(&mut kept.bytes);
                kept.head = kept.bytes.len();
                kept.bytes.extend_from_slice(&page.body);
            }
            _ => kept.hits = 3,
        }
        Some((&kept.bytes, kept.head))
    }
}

impl JoinedPage {
    fn new(page: &Arc<Page>, said: HitHead) -> Self {
        Self { page: page.clone(), said, hits: 0, head: 0, bytes: Vec::new() }
    }
}

fn place_of(page: &Arc<Page>) -> usize {
    mixed(page) % PLACES
}

/// Finds a page by its address, which no other page has while this one is kept.
pub(crate) fn mixed(page: &Arc<Page>) -> usize {
    // Fibonacci hashing: pages lie at multiples of their own size.
    let mixed = (Arc::as_ptr(page).addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use http_cache::{Lifetime, Source};

    use super::*;
    use crate::cache::page::PageHead;
    use crate::purge_log::PurgeStamp;

    fn page(body: Bytes) -> Arc<Page> {
        let lifetime = Lifetime {
            ttl: Duration::from_secs(1),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            age: Duration::ZERO,
            vary: Vec::new(),
            shared: true,
            validate: false,
            source: Source::Setting,
        };
        let (headers, born, grant, tags) =
            (HeaderMap::new(), Instant::now(), PurgeStamp::passing(), Box::default());
        Arc::new(Page::new(PageHead { status: StatusCode::OK, headers, lifetime, born, grant, tags }, body))
    }

    const NEW: HitHead =
        HitHead { age: 0, ttl: 1, date: 7, keep_alive: true, version: Version::Http11, fields: 0 };

    /// The single piece for a hit whose head says this.
    fn hit(joined: &mut JoinedPages, page: &Arc<Page>, said: HitHead) -> Option<(String, usize)> {
        let (bytes, head) =
            joined.find(page, said, |out| out.extend_from_slice(format!("{said:?}\n").as_bytes()))?;
        Some((String::from_utf8(bytes.to_vec()).unwrap(), head))
    }

    #[test]
    fn what_is_said_twice_is_put_together_and_no_longer_than_it_is_said() {
        let mut joined = JoinedPages::default();
        let page = page(Bytes::from_static(b"hello"));
        for said in [
            NEW,
            HitHead { age: 1, ..NEW },
            HitHead { ttl: 0, ..NEW },
            HitHead { date: 8, ..NEW },
            HitHead { keep_alive: false, ..NEW },
            HitHead { version: Version::Http10, ..NEW },
            HitHead { fields: 1, ..NEW },
            NEW,
        ] {
            assert_eq!(hit(&mut joined, &page, said), None, "{said:?}");
            let whole = format!("{said:?}\nhello");
            for _ in 0..300 {
                assert_eq!(hit(&mut joined, &page, said), Some((whole.clone(), whole.len() - 5)));
            }
        }
    }

    #[test]
    fn no_page_is_taken_for_another() {
        let mut joined = JoinedPages::default();
        let pages: Vec<_> = (0..10 * PLACES).map(|n| page(Bytes::from(n.to_string()))).collect();
        let mut whole = 0;
        for n in (0..pages.len()).cycle().take(pages.len() * 3).flat_map(|n| [n, n, n]) {
            if let Some((text, head)) = hit(&mut joined, &pages[n], NEW) {
                assert_eq!(text[head..], n.to_string());
                whole += 1;
            }
        }
        assert!(whole >= pages.len(), "{whole} in one piece");
    }

    #[test]
    fn large_bodies_are_not_copied() {
        let mut joined = JoinedPages::default();
        for (size, expected) in [(MAX_BODY, true), (MAX_BODY + 1, false)] {
            let page = page(Bytes::from(vec![b'x'; size]));
            let sent = [(); 3].map(|()| hit(&mut joined, &page, NEW).is_some());
            assert_eq!(sent, [false, expected, expected]);
        }
    }
}
