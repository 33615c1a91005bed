//! Those who wait for a server: bounded, the most urgent first, among equals by a rank, such as how much they
//! have already, then first come first served.

use std::collections::VecDeque;

use weir_proto::origin::Priority;

/// In the order they are served.
const ORDER: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

#[derive(Debug)]
pub(super) struct Queue<T> {
    length: usize,
    /// One line for each of `ORDER`.
    lines: [VecDeque<T>; 3],
}

impl<T> Queue<T> {
    /// `length`: how many may wait, all together.
    pub(super) fn new(length: usize) -> Self {
        Self { length, lines: Default::default() }
    }

    /// Would somebody be served before one of this priority who comes now?
    pub(super) fn is_ahead_of(&self, priority: Priority) -> bool {
        self.lines.iter().take(line(priority) + 1).any(|line| !line.is_empty())
    }

    /// Lines up `waiter`. Where the queue is full those are taken out who are `gone`, else the last of less
    /// urgent ones is turned away. The waiter comes back: there is no place.
    pub(super) fn push(&mut self, priority: Priority, waiter: T, gone: impl Fn(&T) -> bool) -> Result<(), T> {
        if self.waiting() >= self.length {
            self.lines.iter_mut().for_each(|line| line.retain(|waiter| !gone(waiter)));
        }
        if self.waiting() >= self.length
            && !self.lines.iter_mut().skip(line(priority) + 1).rev().any(|line| line.pop_back().is_some())
        {
            return Err(waiter);
        }
        self.lines[line(priority)].push_back(waiter);
        Ok(())
    }

    /// Takes the waiter of the lowest `rank`, among equals the first. One without a rank may not go.
    pub(super) fn take_next<R: Ord>(&mut self, rank: impl Fn(&T) -> Option<R>) -> Option<(Priority, T)> {
        ORDER.iter().zip(&mut self.lines).find_map(|(priority, line)| {
            let ranked = line.iter().enumerate().filter_map(|(index, waiter)| Some((rank(waiter)?, index)));
            let (_, index) = ranked.min()?;
            Some((*priority, line.remove(index)?))
        })
    }

    /// Takes out the waiter of the highest `weight` that is no more urgent than this, among equals the last.
    /// One without a weight stays.
    pub(super) fn take_out<R: Ord>(
        &mut self,
        priority: Priority,
        weight: impl Fn(&T) -> Option<R>,
    ) -> Option<T> {
        let lines = self.lines.iter_mut().skip(line(priority)).rev();
        let (_, line, index) = lines
            .filter_map(|line| {
                let weighed =
                    line.iter().enumerate().filter_map(|(index, waiter)| Some((weight(waiter)?, index)));
                let (weight, index) = weighed.max()?;
                Some((weight, line, index))
            })
            .max_by(|one, other| one.0.cmp(&other.0))?;
        line.remove(index)
    }

    /// One that waits.
    pub(super) fn find(&mut self, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.lines.iter_mut().flatten().find(|waiter| is_it(waiter))
    }

    /// Puts a waiter back, at the front.
    pub(super) fn put_back(&mut self, priority: Priority, waiter: T) {
        self.lines[line(priority)].push_front(waiter);
    }

    pub(super) fn waiting(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }
}

fn line(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emptied(mut queue: Queue<&str>) -> String {
        std::iter::from_fn(|| queue.take_next(|_| Some(0))).map(|(_, waiter)| waiter).collect()
    }

    fn filled(length: usize, waiters: &[(Priority, &'static str)]) -> (Queue<&'static str>, usize) {
        let mut queue = Queue::new(length);
        let taken = waiters
            .iter()
            .filter(|(priority, waiter)| queue.push(*priority, *waiter, |_| false).is_ok())
            .count();
        (queue, taken)
    }

    #[test]
    fn the_most_urgent_first_and_in_order() {
        use Priority::{High, Low, Normal};
        // Who comes, in which order, how many fit, and who is served.
        for (length, waiters, served) in [
            (
                9,
                vec![(Normal, "a"), (Low, "b"), (High, "c"), (Normal, "d"), (High, "e"), (Low, "f")],
                "ceadbf",
            ),
            (2, vec![(Normal, "a"), (Normal, "b"), (Normal, "c")], "ab"),
            (2, vec![(Normal, "a"), (Low, "b"), (Normal, "c"), (Normal, "d")], "ac"),
            (2, vec![(Low, "a"), (Normal, "b"), (High, "c"), (High, "d"), (High, "e")], "cd"),
            (2, vec![(Low, "a"), (Low, "b"), (High, "c")], "ca"),
            (1, vec![(High, "a"), (Normal, "b"), (Low, "c")], "a"),
            (0, vec![(High, "a")], ""),
        ] {
            let (queue, _) = filled(length, &waiters);
            assert_eq!(emptied(queue), served, "{waiters:?}");
        }
    }

    #[test]
    fn those_who_left_make_room() {
        let (mut queue, taken) =
            filled(2, &[(Priority::Low, "a"), (Priority::Low, "b"), (Priority::Low, "c")]);
        assert_eq!(taken, 2);
        queue.push(Priority::Low, "d", |waiter| *waiter == "a").unwrap();
        assert_eq!(emptied(queue), "bd");
    }

    #[test]
    fn one_that_may_not_go_is_passed_over_and_keeps_its_place() {
        let (mut queue, _) =
            filled(9, &[(Priority::Normal, "a"), (Priority::Normal, "b"), (Priority::Low, "c")]);
        assert_eq!(queue.take_next(|waiter| (*waiter != "a").then_some(0)).unwrap().1, "b");
        assert_eq!(queue.take_next(|waiter| (*waiter != "a").then_some(0)).unwrap().1, "c");
        assert!(queue.take_next(|waiter| (*waiter != "a").then_some(0)).is_none());
        assert_eq!(emptied(queue), "a");
    }

    #[test]
    fn the_lowest_rank_goes_first_among_equally_urgent_ones() {
        use Priority::{High, Low, Normal};
        let (mut queue, _) =
            filled(9, &[(Normal, "c2"), (Normal, "a1"), (Low, "d0"), (Normal, "b1"), (High, "e9")]);
        let rank = |waiter: &&str| waiter.get(1..).and_then(|rank| rank.parse::<usize>().ok());
        let order: Vec<_> = std::iter::from_fn(|| queue.take_next(rank)).map(|(_, waiter)| waiter).collect();
        assert_eq!(order, ["e9", "a1", "b1", "c2", "d0"]);
    }

    #[test]
    fn the_last_of_the_highest_weight_is_taken_out() {
        use Priority::{High, Low, Normal};
        let weight = |waiter: &&str| waiter.get(1..).and_then(|weight| weight.parse::<usize>().ok());
        for (priority, taken) in [(High, ["h9", "n3", "m3", "l3"]), (Normal, ["n3", "m3", "l3", "n1"])] {
            let (mut queue, _) = filled(
                9,
                &[(High, "h9"), (Normal, "m3"), (Normal, "n3"), (Normal, "n1"), (Low, "l3"), (Low, "x")],
            );
            let out: Vec<_> = std::iter::from_fn(|| queue.take_out(priority, weight)).take(4).collect();
            assert_eq!(out, taken, "{priority:?}");
        }
    }

    #[test]
    fn knows_who_comes_first() {
        let (mut queue, _) = filled(9, &[(Priority::Normal, "a")]);
        assert!(!queue.is_ahead_of(Priority::High));
        assert!(queue.is_ahead_of(Priority::Normal) && queue.is_ahead_of(Priority::Low));
        let (priority, waiter) = queue.take_next(|_| Some(0)).unwrap();
        assert!(queue.take_next(|_| Some(0)).is_none());
        queue.put_back(priority, waiter);
        assert_eq!(emptied(queue), "a");
    }
}
