//! The coded copies of a body that is kept itself: each is made once, for the first request that wants it,
//! and goes with the body.

use std::sync::OnceLock;

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::coding::Coding;
use crate::coding::encoder::Level;
use crate::coding::work::{CodingCapacity, MemoryShare};

/// The copies of one body. Costs a pointer as long as nobody wants one.
#[derive(Debug, Default)]
pub(crate) struct CodedCopies(OnceLock<Box<[OnceCell<Option<CodedCopy>>; 3]>>);

#[derive(Debug)]
struct CodedCopy {
    body: Bytes,
    _taken: MemoryShare,
}

/// Why no copy is kept.
enum NoCopy {
    /// There is no memory for it.
    Copy(Bytes),
    Failed,
}

impl CodedCopies {
    /// The copy in this coding, if it was made before. `Some(None)`: it would not be smaller.
    pub(crate) fn peek(&self, coding: Coding) -> Option<Option<&Bytes>> {
        let copy = self.0.get()?[coding as usize].get()?;
        Some(copy.as_ref().map(|copy| &copy.body))
    }

    /// The copy in this coding; all who want it meanwhile wait for the one that is being made. `None`: it
    /// would not be smaller, or cannot be made now.
    pub(crate) async fn get(
        &self,
        works: &CodingCapacity,
        coding: Coding,
        level: Level,
        body: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Bytes> {
        let places = self.0.get_or_init(Box::default);
        let make = || async {
            let body = body().ok_or(NoCopy::Failed)?;
            let coded = works.whole(coding, level, &body).await.map_err(|_| NoCopy::Failed)?;
            if coded.len() >= body.len() {
                return Ok(None);
            }
            let taken = works.take(coded.len() as u64);
            let copy = |taken| Some(CodedCopy { body: coded.clone(), _taken: taken });
            taken.map(copy).ok_or(NoCopy::Copy(coded))
        };
        match places[coding as usize].get_or_try_init(make).await {
            Ok(copy) => copy.as_ref().map(|copy| copy.body.clone()),
            Err(NoCopy::Copy(coded)) => Some(coded),
            Err(NoCopy::Failed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const GZIP: Coding = Coding::Gzip;

    #[tokio::test]
    async fn a_copy_is_made_once_and_counted_until_its_body_goes() {
        let works = CodingCapacity::new(1 << 20);
        let (kept, calls) = (CodedCopies::default(), AtomicUsize::new(0));
        let body = Bytes::from(vec![b'x'; 100_000]);
        let want = || {
            kept.get(&works, GZIP, Level::USUAL, || {
                calls.fetch_add(1, Ordering::Relaxed);
                Some(body.clone())
            })
        };
        assert_eq!(kept.peek(Coding::Gzip), None);
        let (first, second, third) = tokio::join!(want(), want(), want());
        let first = first.unwrap();
        assert!(second.unwrap() == first && third.unwrap() == first && want().await.unwrap() == first);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(kept.peek(Coding::Gzip), Some(Some(&first)));
        assert_eq!(kept.peek(Coding::Brotli), None);
        assert_eq!(works.memory_used(), first.len() as u64);
        drop(kept);
        assert_eq!(works.memory_used(), 0);
    }

    #[tokio::test]
    async fn without_memory_it_is_made_each_time_and_a_longer_copy_never_used() {
        let (works, kept) = (CodingCapacity::new(10), CodedCopies::default());
        for _ in 0..2 {
            let copy = kept.get(&works, GZIP, Level::USUAL, || Some(Bytes::from(vec![b'x'; 1000]))).await;
            assert!(copy.is_some_and(|copy| copy.len() < 100));
        }
        assert_eq!(kept.peek(Coding::Gzip), None);
        let kept = CodedCopies::default();
        assert_eq!(
            kept.get(&works, GZIP, Level::USUAL, || Some(Bytes::from_static(b"1234567890"))).await,
            None
        );
        assert_eq!(kept.peek(Coding::Gzip), Some(None));
        assert_eq!(CodedCopies::default().get(&works, GZIP, Level::USUAL, || None).await, None);
    }
}
