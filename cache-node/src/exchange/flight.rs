//! Pages that this node is waiting for: one request leads per page, the others wait in line. Knows no store,
//! socket or clock.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use weir_proto::joiners::Joiners;

use crate::slot::Slot;

/// The lines, by page. A page has a line exactly as long as somebody leads it. `Q` is what those who wait
/// have asked, `T` what they are told in the end.
pub(super) struct Flights<Q, T> {
    lines: Mutex<HashMap<Arc<Slot>, Line<Q, T>>>,
    max_waiting: AtomicUsize,
}

struct Line<Q, T> {
    waiters: VecDeque<Waiter<Q, T>>,
    /// The clients that want the page.
    joiners: Arc<Joiners>,
}

/// A request that waits, and what it asked.
pub(super) struct Waiter<Q, T> {
    pub(super) asked: Arc<Q>,
    pub(super) turn: oneshot::Sender<T>,
}

pub(super) enum LinePlace<T> {
    /// Nobody led: the caller does, and must see to it that `next_or_land` is called in the end.
    Leads(Arc<Joiners>),
    Waits(oneshot::Receiver<T>, Arc<Joiners>),
    /// Somebody leads, and the caller would not wait.
    HasLeader,
    /// Somebody leads, and too many wait already.
    Full,
}

impl<Q, T> Flights<Q, T> {
    /// `max_waiting` bounds the line of one page.
    pub(super) fn new(max_waiting: usize) -> Self {
        Self { lines: Mutex::default(), max_waiting: max_waiting.into() }
    }

    /// Another bound, from now on.
    pub(super) fn set_max_waiting(&self, max_waiting: usize) {
        self.max_waiting.store(max_waiting, Ordering::Relaxed);
    }

    /// Leads the page if nobody does. If somebody does, joins the line where `waits` says so. `client`: who
    /// wants the page.
    pub(super) fn join(&self, slot: &Arc<Slot>, asked: &Arc<Q>, waits: bool, client: &str) -> LinePlace<T> {
        let mut lines = self.lines.lock();
        let mut line = match lines.entry(slot.clone()) {
            Place::Vacant(place) => {
                let joiners = Arc::new(Joiners::new(client));
                place.insert(Line { waiters: VecDeque::new(), joiners: joiners.clone() });
                return LinePlace::Leads(joiners);
            }
            Place::Occupied(line) => line,
        };
        if !waits {
            return LinePlace::HasLeader;
        }
        let Line { waiters, joiners } = line.get_mut();
        let max_waiting = self.max_waiting.load(Ordering::Relaxed);
        if waiters.len() >= max_waiting {
            waiters.retain(|waiter| !waiter.turn.is_closed());
        }
        if waiters.len() >= max_waiting {
            return LinePlace::Full;
        }
        let (turn, waits) = oneshot::channel();
        waiters.push_back(Waiter { asked: asked.clone(), turn });
        joiners.add(client);
        LinePlace::Waits(waits, joiners.clone())
    }

    /// Takes the one that has waited longest out of the line, of those that are still there.
    pub(super) fn next(&self, slot: &Slot) -> Option<Waiter<Q, T>> {
        first_present(self.lines.lock().get_mut(slot)?)
    }

    /// Does what `next` does. If nobody waits, nobody leads any more either.
    pub(super) fn next_or_land(&self, slot: &Slot) -> Option<Waiter<Q, T>> {
        let mut lines = self.lines.lock();
        let next = lines.get_mut(slot).and_then(first_present);
        if next.is_none() {
            lines.remove(slot);
        }
        next
    }

    /// Takes those out of the line for which `which` holds, in order. The leader stays.
    pub(super) fn take(&self, slot: &Slot, which: impl Fn(&Q) -> bool) -> Vec<Waiter<Q, T>> {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(slot) else { return Vec::new() };
        let waiters = std::mem::take(&mut line.waiters);
        let (taken, stay) = waiters.into_iter().partition(|waiter| which(&waiter.asked));
        line.waiters = stay;
        Vec::from(taken)
    }
}

fn first_present<Q, T>(line: &mut Line<Q, T>) -> Option<Waiter<Q, T>> {
    std::iter::from_fn(|| line.waiters.pop_front()).find(|waiter| !waiter.turn.is_closed())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;
    use crate::slot::Rule;

    const CLIENT: &str = "192.0.2.1";

    /// Whether the request refreshes, and a turn that says nothing.
    type TestFlights = Flights<bool, ()>;

    fn slot() -> Arc<Slot> {
        Arc::new(Slot::new(Bytes::from_static(b"k"), Rule::default(), &HeaderMap::new()))
    }

    fn join(flights: &TestFlights, asked: &Arc<bool>) -> oneshot::Receiver<()> {
        match flights.join(&slot(), asked, true, CLIENT) {
            LinePlace::Waits(turn, _) => turn,
            _ => panic!("somebody leads, and there is room"),
        }
    }

    fn asked(refresh: bool) -> Arc<bool> {
        Arc::new(refresh)
    }

    fn leads(flights: &TestFlights) -> bool {
        matches!(flights.join(&slot(), &asked(false), true, CLIENT), LinePlace::Leads(_))
    }

    #[test]
    fn the_first_leads_until_nobody_waits() {
        let flights = Flights::new(10);
        assert!(leads(&flights));
        assert!(!leads(&flights));
        assert!(matches!(flights.join(&slot(), &asked(false), false, CLIENT), LinePlace::HasLeader));
        assert!(flights.next(&slot()).is_none(), "the one that joined above has left");
        assert!(!leads(&flights), "`next` leaves the leader");
        assert!(flights.next_or_land(&slot()).is_none());
        assert!(leads(&flights));
    }

    #[test]
    fn first_come_first_served_without_those_that_left() {
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
    fn a_line_is_bounded_by_those_that_are_still_there() {
        let flights = Flights::new(2);
        assert!(leads(&flights));
        let first = join(&flights, &asked(false));
        let _second = join(&flights, &asked(false));
        assert!(matches!(flights.join(&slot(), &asked(false), true, CLIENT), LinePlace::Full));
        drop(first);
        let _third = join(&flights, &asked(false));
        assert!(matches!(flights.join(&slot(), &asked(false), true, CLIENT), LinePlace::Full));
    }

    #[test]
    fn takes_those_for_which_it_holds_in_order() {
        let flights = Flights::new(10);
        assert!(leads(&flights));
        let all: Vec<_> = [false, true, false, true].map(asked).into();
        let _turns: Vec<_> = all.iter().map(|asked| join(&flights, asked)).collect();
        let taken = flights.take(&slot(), |refresh| !refresh);
        assert!(
            taken.iter().map(|waiter| &waiter.asked).zip([&all[0], &all[2]]).all(|(a, b)| Arc::ptr_eq(a, b))
        );
        assert_eq!(taken.len(), 2);
        assert_eq!(flights.take(&slot(), |_| true).len(), 2);
        assert!(!leads(&flights), "the leader stays");
    }
}
