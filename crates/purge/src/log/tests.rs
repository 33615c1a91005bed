//! What a reader is told, and when it must not go on.

use super::*;
use crate::Target;

fn purge() -> Purge {
    Purge::new(vec![Target::All], false).unwrap()
}

fn at(seq: u64, previous: u64) -> Arc<LogEntry> {
    let (seq, previous) = (Seq::new(seq), Seq::new(previous));
    Arc::new(LogEntry { seq, previous, purge: purge(), at: Instant::now() })
}

fn seqs(log: &Log, since: u64) -> Result<Vec<u64>, LogGap> {
    Ok(log.since(Seq::new(since))?.map(|logged| logged.seq.get()).collect())
}

#[test]
fn a_reader_gets_all_since_its_place_or_is_told_that_they_are_gone() {
    let mut log = Log::new(LogId::new(1), Seq::START, 3);
    assert_eq!(seqs(&log, 0), Ok(vec![]));
    for _ in 0..5 {
        log.append(purge(), Instant::now());
    }
    assert_eq!(log.head(), Seq::new(5));
    assert_eq!(seqs(&log, 5), Ok(vec![]));
    assert_eq!(seqs(&log, 3), Ok(vec![4, 5]));
    assert_eq!(seqs(&log, 2), Ok(vec![3, 4, 5]));
    assert_eq!(seqs(&log, 1), Err(LogGap));
}

#[test]
fn a_follower_keeps_what_it_read_in_order_and_once() {
    let mut log = Log::new(LogId::new(1), Seq::new(10), 10);
    assert!(log.push(at(20, 10)));
    assert!(!log.push(at(20, 10)), "had it");
    assert!(log.push(at(35, 20)));
    assert_eq!(seqs(&log, 10), Ok(vec![20, 35]));
    assert_eq!(seqs(&log, 20), Ok(vec![35]));
    assert_eq!(seqs(&log, 9), Err(LogGap));
    assert!(log.push(at(50, 40)), "after a gap");
    assert_eq!(seqs(&log, 35), Err(LogGap));
    assert_eq!(seqs(&log, 40), Ok(vec![50]));
}

#[test]
fn only_what_follows_is_believed() {
    type Case<'a> = (u64, u64, u64, &'a [(u64, u64)], bool);
    let cases: &[Case<'_>] = &[
        // had, head, floor, (seq, previous) …
        (10, 10, 0, &[], true),
        (10, 20, 0, &[(15, 10), (20, 15)], true),
        // A copy that lagged: it ends earlier, or went on from earlier.
        (10, 9, 0, &[], false),
        (10, 20, 0, &[(20, 9)], false),
        (10, 30, 0, &[(20, 10), (30, 25)], false),
        // Dropped for age, which the floor tells.
        (10, 40, 30, &[(40, 30)], true),
        (10, 50, 30, &[(40, 30), (50, 45)], false),
        (10, 40, 10, &[(40, 30)], false),
    ];
    for case in cases {
        let (had, head, floor, purges, expected) = *case;
        let purges: Vec<_> = purges.iter().map(|(seq, previous)| at(*seq, *previous)).collect();
        let read = LogTail { head: Seq::new(head), floor: Seq::new(floor), purges: &purges };
        assert_eq!(continues(Seq::new(had), read), expected, "{case:?}");
    }
}
