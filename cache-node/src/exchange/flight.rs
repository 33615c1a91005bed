//! Pages in the making on this node: one leads per page, the others wait in line. Knows no store, socket or clock.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::lease::Turn;
use super::look_up::Asked;
use crate::slot::Slot;

/// A page has a line here exactly as long as somebody leads it.
pub(crate) struct Flights {
    lines: Mutex<HashMap<Arc<Slot>, VecDeque<Waiter>>>,
    max_waiting: usize,
}

/// One who waits, and what it asked.
pub(crate) struct Waiter {
    pub(crate) asked: Arc<Asked>,
    pub(crate) turn: oneshot::Sender<Turn>,
}

pub(crate) enum Joined {
    /// Nobody led: the caller does, and must see to it that `next_or_land` is called in the end.
    Leads,
    Waits(oneshot::Receiver<Turn>),
    /// Somebody leads, and the caller would not wait.
    Led,
    /// Somebody leads, and too many wait already.
    Full,
}

impl Flights {
    /// `max_waiting`: for one page.
    pub(crate) fn new(max_waiting: usize) -> Self {
        Self { lines: Mutex::default(), max_waiting }
    }

    /// `waits`: join the line where somebody leads.
    pub(crate) fn join(&self, slot: &Arc<Slot>, asked: &Arc<Asked>, waits: bool) -> Joined {
        let mut lines = self.lines.lock();
        let mut line = match lines.entry(slot.clone()) {
            Place::Vacant(place) => {
                place.insert(VecDeque::new());
                return Joined::Leads;
            }
            Place::Occupied(line) => line,
        };
        if !waits {
            return Joined::Led;
        }
        let line = line.get_mut();
        if line.len() >= self.max_waiting {
            line.retain(|waiter| !waiter.turn.is_closed());
        }
        if line.len() >= self.max_waiting {
            return Joined::Full;
        }
        let (turn, waits) = oneshot::channel();
        line.push_back(Waiter { asked: asked.clone(), turn });
        Joined::Waits(waits)
    }

    /// The one who waits longest, of those still there.
    pub(crate) fn next(&self, slot: &Slot) -> Option<Waiter> {
        first_present(self.lines.lock().get_mut(slot)?)
    }

    /// The same. If nobody waits, nobody leads any more either.
    pub(crate) fn next_or_land(&self, slot: &Slot) -> Option<Waiter> {
        let mut lines = self.lines.lock();
        let next = lines.get_mut(slot).and_then(first_present);
        if next.is_none() {
            lines.remove(slot);
        }
        next
    }

    /// Takes those out of the line for whom it holds, in order. The leader stays.
    pub(crate) fn take(&self, slot: &Slot, which: impl Fn(&Asked) -> bool) -> Vec<Waiter> {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(slot) else { return Vec::new() };
        let (taken, stay) = std::mem::take(line).into_iter().partition(|waiter| which(&waiter.asked));
        *line = stay;
        Vec::from(taken)
    }
}

fn first_present(line: &mut VecDeque<Waiter>) -> Option<Waiter> {
    std::iter::from_fn(|| line.pop_front()).find(|waiter| !waiter.turn.is_closed())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use weir_proto::cache::Lookup;

    use super::*;
    use crate::slot::Rule;

    fn asked(refresh: bool) -> Arc<Asked> {
        let lookup = Lookup { key: Bytes::from_static(b"k"), refresh, ..Lookup::default() };
        Arc::new(Asked::new(lookup, Duration::ZERO).unwrap())
    }

    fn slot() -> Arc<Slot> {
        Arc::new(asked(false).slot(Rule::default()))
    }

    fn join(flights: &Flights, asked: &Arc<Asked>) -> oneshot::Receiver<Turn> {
        match flights.join(&slot(), asked, true) {
            Joined::Waits(turn) => turn,
            _ => panic!("somebody leads, and there is room"),
        }
    }

    fn leads(flights: &Flights) -> bool {
        matches!(flights.join(&slot(), &asked(false), true), Joined::Leads)
    }

    #[test]
    fn the_first_leads_until_nobody_waits() {
        let flights = Flights::new(10);
        assert!(leads(&flights));
        assert!(!leads(&flights));
        assert!(matches!(flights.join(&slot(), &asked(false), false), Joined::Led));
        assert!(flights.next(&slot()).is_none(), "the one that joined above has left");
        assert!(!leads(&flights), "`next` leaves the leader");
        assert!(flights.next_or_land(&slot()).is_none());
        assert!(leads(&flights));
    }

    #[test]
    fn first_come_first_served_without_those_who_left() {
        let flights = Flights::new(10);
        assert!(leads(&flights));
        let all: Vec<_> = (0..4).map(|_| asked(false)).collect();
        let mut turns: Vec<_> = all.iter().map(|asked| Some(join(&flights, asked))).collect();
        turns[0] = None;
        turns[2] = None;
        for expected in [&all[1], &all[3]] {
            assert!(Arc::ptr_eq(&flights.next_or_land(&slot()).unwrap().asked, expected));
        }
        assert!(flights.next_or_land(&slot()).is_none());
    }

    #[test]
    fn a_line_is_bounded_by_those_still_there() {
        let flights = Flights::new(2);
        assert!(leads(&flights));
        let first = join(&flights, &asked(false));
        let _second = join(&flights, &asked(false));
        assert!(matches!(flights.join(&slot(), &asked(false), true), Joined::Full));
        drop(first);
        let _third = join(&flights, &asked(false));
        assert!(matches!(flights.join(&slot(), &asked(false), true), Joined::Full));
    }

    #[test]
    fn takes_whom_it_holds_for_in_order() {
        let flights = Flights::new(10);
        assert!(leads(&flights));
        let all: Vec<_> = [false, true, false, true].map(asked).into();
        let _turns: Vec<_> = all.iter().map(|asked| join(&flights, asked)).collect();
        let taken = flights.take(&slot(), |asked| !asked.refresh);
        assert!(
            taken.iter().map(|waiter| &waiter.asked).zip([&all[0], &all[2]]).all(|(a, b)| Arc::ptr_eq(a, b))
        );
        assert_eq!(taken.len(), 2);
        assert_eq!(flights.take(&slot(), |_| true).len(), 2);
        assert!(!leads(&flights), "the leader stays");
    }
}
