//! How often the application is asked for a page.

use std::collections::BTreeMap;
use std::time::Duration;

use super::AFTERWARDS;
use crate::history::{History, Reply, Visit};
use crate::services::TTL;

/// A call reaches the application at most this long after its lease was given: the lease goes to the edge and
/// the call over two links more, each of them 55 ms late at worst, and connections may have to be made.
const ON_ITS_WAY: Duration = Duration::from_millis(400);

/// A call that others need not repeat.
struct EarlierCall {
    began: Duration,
    ended: Option<Duration>,
    /// When its page was wanted. A purge that ended later than that bars the page.
    wanted: Duration,
}

/// A page is asked for once per lifetime, if it is not purged; one that varies by language, once for each.
pub(super) fn one_per_lifetime(history: &History, is_kept: impl Fn(&str) -> bool, found: &mut Vec<String>) {
    let mut last: BTreeMap<(&str, &str), EarlierCall> = BTreeMap::new();
    let lifetime = Duration::from_secs(TTL);
    let calls = history.calls.iter().enumerate();
    for (number, call) in calls.filter(|(_, call)| call.visitor == "-" && is_kept(&call.path)) {
        let language = if call.path.starts_with("/lang/") { &*call.language } else { "" };
        let wanted = wanted_since(number, call.began, history);
        let this = EarlierCall { began: call.began, ended: call.ended, wanted };
        let Some(before) = last.insert((&call.path, language), this) else { continue };
        let is_over = before.ended.is_some_and(|ended| ended <= call.began);
        if is_over && call.began >= before.began + lifetime {
            continue;
        }
        if history.faults_within(before.began, call.began, AFTERWARDS).next().is_some() {
            continue;
        }
        let mut purges = history.purges.iter().filter(|purge| purge.path == call.path);
        if !purges.any(|purge| purge.ended >= before.wanted && purge.began <= call.began) {
            found
                .push(format!("two calls of one page, at {:?} and {:?}: {call:?}", before.began, call.began));
        }
    }
}

/// When the page of this call was wanted, at the latest: when the first of those came who got it. If nobody
/// got it, as of a refresh that a purge outran, it was on its way for as long as that can take.
fn wanted_since(number: usize, began: Duration, history: &History) -> Duration {
    let is_of_the_call = |visit: &&Visit| matches!(&visit.reply, Reply::Page(page) if page.call == number);
    let came = history.visits.iter().filter(is_of_the_call).map(|visit| visit.began).min();
    came.unwrap_or_else(|| began.saturating_sub(ON_ITS_WAY)).min(began)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::{Call, Page};
    use crate::history::PurgeRecord;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn call(began: u64, language: &str) -> Call {
        let (path, visitor) = (if language == "-" { "/p/1" } else { "/lang/1" }.to_owned(), "-".to_owned());
        let ended = Some(ms(began + 40));
        let language = language.to_owned();
        Call { path, began: ms(began), ended, version: 0, visitor, language, is_good: true }
    }

    fn visit(began: u64, call: usize) -> Visit {
        let reply = Reply::Page(Page { call, ..Page::default() });
        let (path, visitor, cache_status) = ("/p/1".to_owned(), String::new(), String::new());
        let (began, ended) = (ms(began), ms(began + 100));
        Visit { edge: 0, path, visitor, language: "en", pace: None, began, ended, reply, cache_status }
    }

    fn purge(began: u64, ended: u64) -> PurgeRecord {
        let (began, ended) = (ms(began), ms(ended));
        PurgeRecord { edge: 0, path: "/p/1".to_owned(), version: 1, began, ended, is_complete: true }
    }

    fn found(calls: Vec<Call>, visits: Vec<Visit>, purges: Vec<PurgeRecord>) -> usize {
        let mut found = Vec::new();
        let history = History { calls, visits, purges, ..History::default() };
        one_per_lifetime(&history, |_| true, &mut found);
        found.len()
    }

    #[test]
    fn calls_of_one_page() {
        let twice = || vec![call(5_000, "-"), call(5_500, "-")];
        assert_eq!(found(twice(), vec![], vec![]), 1);
        assert_eq!(found(vec![call(5_000, "-"), call(7_000, "-")], vec![], vec![]), 0, "a lifetime later");
        assert_eq!(found(vec![call(5_000, "en"), call(5_500, "de")], vec![], vec![]), 0);
        assert_eq!(found(vec![call(5_000, "en"), call(5_500, "en")], vec![], vec![]), 1);
        assert_eq!(found(twice(), vec![], vec![purge(5_200, 5_300)]), 0);
        assert_eq!(found(twice(), vec![], vec![purge(6_000, 6_100)]), 1, "purged after both");
    }

    #[test]
    fn a_page_that_was_wanted_before_a_purge() {
        let twice = || vec![call(5_000, "-"), call(5_500, "-")];
        let purged = || vec![purge(4_600, 4_700)];
        assert_eq!(found(twice(), vec![], purged()), 0, "a refresh was on its way");
        assert_eq!(found(twice(), vec![], vec![purge(4_300, 4_500)]), 1, "for so long it cannot have been");
        assert_eq!(found(twice(), vec![visit(4_690, 0)], purged()), 0, "by one from before");
        assert_eq!(found(twice(), vec![visit(4_710, 0)], purged()), 1, "the page may go to who comes after");
    }

    #[test]
    fn a_second_call_while_the_first_goes_on() {
        let mut slow = call(5_000, "-");
        slow.ended = Some(ms(9_000));
        assert_eq!(found(vec![slow.clone(), call(8_000, "-")], vec![], vec![]), 1);
        slow.ended = Some(ms(7_500));
        assert_eq!(found(vec![slow, call(8_000, "-")], vec![], vec![]), 0);
    }
}
