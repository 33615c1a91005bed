//! Who is waited for, and how long.

use super::*;

const GRACE: Duration = Duration::from_secs(1);

/// One purge, made then.
struct PurgeAt(Instant);

impl PurgeAt {
    const PURGE: Seq = Seq::START;

    fn settled(&self, members: &mut Membership<u8>, now: Instant) -> bool {
        let purge = Self::PURGE.next();
        let made_by = |time| if time < self.0 { Seq::START } else { purge };
        members.settled(purge, made_by, now) >= purge
    }
}

/// Two followers, heard at `now`, at the start of the log.
fn two(now: Instant) -> Membership<u8> {
    let mut members = Membership::default();
    members.join(1, "edge-1".into(), GRACE, now);
    members.join(2, "edge-2".into(), GRACE, now);
    members
}

#[test]
fn a_purge_is_settled_when_all_who_follow_have_acknowledged_it() {
    let now = Instant::now();
    let (mut members, purge) = (two(now), PurgeAt(now));
    assert!(!purge.settled(&mut members, now));
    members.heard(1, Seq::new(1), now);
    assert!(!purge.settled(&mut members, now));
    members.heard(2, Seq::new(7), now);
    assert!(purge.settled(&mut members, now));
    let mut names: Vec<_> = members.followers().collect();
    names.sort();
    assert_eq!(names, [("edge-1", Seq::new(1)), ("edge-2", Seq::new(7))]);
    assert!(PurgeAt(now).settled(&mut Membership::default(), now), "nobody follows");
}

#[test]
fn one_that_is_silent_is_waited_for_until_it_can_use_nothing_old() {
    let start = Instant::now();
    let mut members = two(start);
    members.heard(1, Seq::new(1), start + GRACE);
    let purge = PurgeAt(start + GRACE / 2);
    // What it made itself just before the purge, cut off from here, it may use for its grace.
    assert!(!purge.settled(&mut members, start + GRACE));
    assert!(!purge.settled(&mut members, start + GRACE + GRACE / 2 - Duration::from_millis(1)));
    assert!(purge.settled(&mut members, start + GRACE + GRACE / 2));
    // Heard again, and still without it: it is waited for.
    members.heard(2, Seq::START, start + GRACE * 3 / 2);
    assert!(!purge.settled(&mut members, start + GRACE * 2));
}

#[test]
fn one_that_leaves_is_not_waited_for_and_one_that_breaks_off_is_for_a_while() {
    let start = Instant::now();
    let mut members = two(start);
    members.leave(1);
    members.break_off(2, start);
    assert_eq!(members.followers().count(), 0);
    assert_eq!(members.broken_off().collect::<Vec<_>>(), ["edge-2"]);
    let later = start + Duration::from_secs(60);
    assert!(!PurgeAt(later).settled(&mut members, later));
    assert!(PurgeAt(later).settled(&mut members, later + GRACE));
    let long_after = start + REMEMBERED;
    assert!(PurgeAt(long_after).settled(&mut members, long_after));
    assert_eq!(members.broken_off().count(), 0);
}

#[test]
fn one_that_is_back_is_one_again() {
    let start = Instant::now();
    let mut members = two(start);
    members.break_off(2, start);
    members.join(3, "edge-2".into(), GRACE, start);
    members.heard(3, Seq::new(1), start);
    members.heard(1, Seq::new(1), start);
    assert!(PurgeAt(start).settled(&mut members, start));
    assert_eq!((members.followers().count(), members.broken_off().count()), (2, 0));
}

#[test]
fn a_flood_of_purges_settles_as_far_as_the_slowest_has_come() {
    let now = Instant::now();
    let mut members = two(now);
    members.heard(1, Seq::new(90), now);
    members.heard(2, Seq::new(50), now);
    assert_eq!(members.settled(Seq::new(100), |_| Seq::START, now), Seq::new(50));
    members.begin_anew();
    assert_eq!(members.settled(Seq::new(100), |_| Seq::START, now), Seq::START);
}

#[test]
fn no_purge_is_over_while_those_may_come_back_whom_nobody_remembers() {
    let start = Instant::now();
    let (mut members, purge) = (Membership::default(), PurgeAt(start));
    members.expect_strangers(start + GRACE);
    assert!(!purge.settled(&mut members, start + GRACE - Duration::from_millis(1)));
    assert!(purge.settled(&mut members.clone(), start + GRACE));
    // One has come back: it is waited for like others.
    members.join(1, "edge-1".into(), GRACE, start + GRACE / 2);
    assert!(!purge.settled(&mut members, start + GRACE));
    members.heard(1, Seq::new(1), start + GRACE);
    assert!(purge.settled(&mut members, start + GRACE));
}
