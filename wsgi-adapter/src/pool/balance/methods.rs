//! The methods of balancing. Each chooses among `open`: the places of servers that may get the request and
//! have room.

use std::net::IpAddr;

use tokio::time::Instant;

use super::Servers;

impl Servers {
    /// Smooth weighted round robin, as in nginx: weights 5, 1, 1 give a a b a c a a.
    pub(super) fn in_turn(&mut self, open: &[usize], now: Instant) -> Option<usize> {
        let mut total = 0;
        for &index in open {
            let member = &mut self.members[index];
            let weight = member.weight_now(now);
            member.current += weight;
            total += weight;
        }
        // The first of equals.
        let best = open.iter().copied().rev().max_by_key(|&index| self.members[index].current)?;
        self.members[best].current -= total;
        Some(best)
    }

    /// The fewest requests for its weight; in turn among equals, as in nginx.
    pub(super) fn least_busy(&mut self, open: &[usize], now: Instant) -> Option<usize> {
        let busier = |one, other| self.busier(one, other, now);
        let least =
            open.iter().copied().reduce(|best, other| if busier(best, other) { other } else { best })?;
        let equals: Vec<usize> = open.iter().copied().filter(|&index| !busier(index, least)).collect();
        self.in_turn(&equals, now)
    }

    /// The shortest time to a reply's head of late, times the requests it would then have, for its weight. A
    /// server that was not measured yet counts like the average of the others.
    pub(super) fn quickest(&mut self, open: &[usize], now: Instant) -> Option<usize> {
        let known: Vec<f64> =
            open.iter().filter_map(|&index| self.members[index].latency.expected(now)).collect();
        let usual = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let cost = |&index: &usize| self.members[index].cost(usual, now);
        let least = open.iter().map(cost).min_by(f64::total_cmp)?;
        let equals: Vec<usize> = open.iter().copied().filter(|index| cost(index) <= least).collect();
        self.in_turn(&equals, now)
    }

    /// nginx's `random two least_conn`.
    pub(super) fn better_of_two(
        &mut self,
        open: &[usize],
        now: Instant,
        lot: &mut impl FnMut(i64) -> i64,
    ) -> Option<usize> {
        let first = self.drawn(open, now, lot)?;
        let others: Vec<usize> = open.iter().copied().filter(|&index| index != first).collect();
        let second = self.drawn(&others, now, lot).unwrap_or(first);
        Some(if self.busier(first, second, now) { second } else { first })
    }

    /// One by lot, by weight.
    fn drawn(&self, open: &[usize], now: Instant, lot: &mut impl FnMut(i64) -> i64) -> Option<usize> {
        let weight = |&index: &usize| self.members[index].weight_now(now);
        let total = open.iter().map(weight).sum::<i64>();
        if total <= 0 {
            return None;
        }
        laid_out(open.iter().copied(), weight, lot(total))
    }

    /// nginx's `ip_hash`: its hash over the first three octets of an IPv4 address, or a whole IPv6 one,
    /// rehashed when the server that it names cannot be used.
    pub(super) fn by_address(
        &mut self,
        client: Option<IpAddr>,
        open: &[usize],
        now: Instant,
    ) -> Option<usize> {
        const REHASHES: usize = 20;
        let octets = match client {
            Some(IpAddr::V4(address)) => address.octets()[..3].to_vec(),
            Some(IpAddr::V6(address)) => address.octets().to_vec(),
            None => return self.in_turn(open, now),
        };
        // All of them, so that a client stays where it is when another server goes away.
        let primary: Vec<usize> =
            (0..self.members.len()).filter(|&index| !self.members[index].settings.backup).collect();
        let weight = |&index: &usize| self.members[index].weight();
        let total: i64 = primary.iter().map(weight).sum();
        let mut hash: i64 = 89;
        for _ in 0..REHASHES {
            for octet in &octets {
                hash = (hash * 113 + i64::from(*octet)) % 6271;
            }
            let named = laid_out(primary.iter().copied(), weight, hash.checked_rem(total)?);
            if let Some(named) = named.filter(|named| open.contains(named)) {
                return Some(named);
            }
        }
        self.in_turn(open, now)
    }

    /// The key's server on the ring, or the next that may be used. A request without the key, as in nginx,
    /// goes to any.
    pub(super) fn by_key(&mut self, key: Option<u32>, open: &[usize], now: Instant) -> Option<usize> {
        let on_ring = key.and_then(|key| {
            self.ring.from(key).find_map(|id| open.iter().find(|&&index| self.members[index].id() == id))
        });
        on_ring.copied().or_else(|| self.in_turn(open, now))
    }

    /// nginx's `hash` without `consistent`: the remainder of a checksum names the server, and further
    /// checksums are added while that one cannot be used.
    pub(super) fn by_remainder(&mut self, key: Option<&[u8]>, open: &[usize], now: Instant) -> Option<usize> {
        const REHASHES: u32 = 20;
        let Some(key) = key else { return self.in_turn(open, now) };
        let primary: Vec<usize> =
            (0..self.members.len()).filter(|&index| !self.members[index].settings.backup).collect();
        let weight = |&index: &usize| self.members[index].weight();
        let total: i64 = primary.iter().map(weight).sum();
        let mut sum: i64 = 0;
        for rehash in 0..=REHASHES {
            let mut hasher = crc32fast::Hasher::new();
            if rehash > 0 {
                hasher.update(rehash.to_string().as_bytes());
            }
            hasher.update(key);
            sum += i64::from(hasher.finalize() >> 16 & 0x7fff);
            let named = laid_out(primary.iter().copied(), weight, sum.checked_rem(total)?);
            if let Some(named) = named.filter(|named| open.contains(named)) {
                return Some(named);
            }
        }
        self.in_turn(open, now)
    }

    /// Has `one` more requests for its weight than `other`?
    fn busier(&self, one: usize, other: usize, now: Instant) -> bool {
        let (one, other) = (&self.members[one], &self.members[other]);
        one.in_flight as i64 * other.weight_now(now) > other.in_flight as i64 * one.weight_now(now)
    }
}

/// Laid end to end by weight, the one that `point` falls on.
fn laid_out(
    mut servers: impl Iterator<Item = usize>,
    weight: impl Fn(&usize) -> i64,
    mut point: i64,
) -> Option<usize> {
    servers.find(|index| {
        point -= weight(index);
        point < 0
    })
}
