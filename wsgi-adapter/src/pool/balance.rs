//! Which server of a pool gets a request: nginx's methods and its passive failure marks. Pure: time and lots
//! are arguments.

use std::net::IpAddr;

use tokio::time::Instant;

use super::mark::Mark;
use crate::config::{Balance, ServerConfig};

/// What choosing looks at in a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// For `ip_hash`.
    pub(super) client: Option<IpAddr>,
    /// Servers that have failed this request already.
    pub(super) tried: Vec<usize>,
}

/// The servers of one pool, in the order of the settings.
#[derive(Debug)]
pub(super) struct Servers {
    method: Balance,
    servers: Vec<State>,
    /// A server with no other to go to instead is never marked.
    marking: bool,
}

#[derive(Debug)]
struct State {
    weight: i64,
    backup: bool,
    down: bool,
    /// 0: no limit.
    max_conns: usize,
    in_flight: usize,
    /// Of smooth weighted round robin.
    current: i64,
    mark: Mark,
}

impl Servers {
    pub(super) fn new(method: Balance, servers: &[ServerConfig]) -> Self {
        let servers: Vec<_> = servers.iter().map(State::new).collect();
        let marking = servers.iter().filter(|server| !server.down).count() > 1;
        Self { method, servers, marking }
    }

    /// Takes a place at a server, to be given back by `release`. `None`: every server that could be tried has
    /// `max_conns` requests. `lot` draws a number below its argument.
    pub(super) fn take(
        &mut self,
        wanted: &Wanted,
        now: Instant,
        mut lot: impl FnMut(i64) -> i64,
    ) -> Option<usize> {
        let possible = |(index, server): (usize, &State)| !server.down && !wanted.tried.contains(&index);
        let unmarked = |server: &State| !self.marking || server.mark.allows(now);
        // When all are marked the marks say nothing: better to try one than to refuse.
        let heed = self.servers.iter().enumerate().any(|each| possible(each) && unmarked(each.1));
        let group = |backup: bool| -> Vec<usize> {
            let open = |(index, server): (usize, &State)| {
                possible((index, server))
                    && server.backup == backup
                    && server.has_room()
                    && (!heed || unmarked(server))
            };
            (0..self.servers.len()).filter(|&index| open((index, &self.servers[index]))).collect()
        };
        let mut open = group(false);
        if open.is_empty() {
            open = group(true);
        }
        let chosen = match self.method {
            Balance::RoundRobin => self.in_turn(&open),
            Balance::LeastConn => self.least_busy(&open),
            Balance::RandomTwo => self.better_of_two(&open, &mut lot),
            Balance::IpHash => self.by_address(wanted.client, &open),
        }?;
        let server = &mut self.servers[chosen];
        server.in_flight += 1;
        server.mark.chosen(now);
        Some(chosen)
    }

    pub(super) fn release(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.in_flight = server.in_flight.saturating_sub(1);
        }
    }

    /// The server did not answer, or answered nonsense.
    pub(super) fn failed(&mut self, server: usize, now: Instant) {
        if let Some(server) = self.servers.get_mut(server) {
            server.mark.failed(now);
        }
    }

    /// The server answered.
    pub(super) fn succeeded(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.mark.succeeded();
        }
    }

    /// Smooth weighted round robin, as in nginx: weights 5, 1, 1 give a a b a c a a.
    fn in_turn(&mut self, open: &[usize]) -> Option<usize> {
        let mut total = 0;
        for &index in open {
            let server = &mut self.servers[index];
            server.current += server.weight;
            total += server.weight;
        }
        // The first of equals.
        let best = open.iter().copied().rev().max_by_key(|&index| self.servers[index].current)?;
        self.servers[best].current -= total;
        Some(best)
    }

    fn least_busy(&mut self, open: &[usize]) -> Option<usize> {
        let least =
            open.iter().copied().reduce(|best, other| if self.busier(best, other) { other } else { best })?;
        let equal = |&index: &usize| !self.busier(index, least);
        let equals: Vec<usize> = open.iter().copied().filter(equal).collect();
        self.in_turn(&equals)
    }

    fn better_of_two(&mut self, open: &[usize], lot: &mut impl FnMut(i64) -> i64) -> Option<usize> {
        let first = self.drawn(open, lot)?;
        let others: Vec<usize> = open.iter().copied().filter(|&index| index != first).collect();
        let second = self.drawn(&others, lot).unwrap_or(first);
        Some(if self.busier(first, second) { second } else { first })
    }

    /// One by lot, by weight.
    fn drawn(&self, open: &[usize], lot: &mut impl FnMut(i64) -> i64) -> Option<usize> {
        let total = open.iter().map(|&index| self.servers[index].weight).sum::<i64>();
        if total <= 0 {
            return None;
        }
        let drawn = lot(total);
        self.at_weight(open.iter().copied(), drawn)
    }

    /// nginx's `ip_hash`: its hash over the first three octets of an IPv4 address, or a whole IPv6 one,
    /// rehashed when the server that it names cannot be used.
    fn by_address(&mut self, client: Option<IpAddr>, open: &[usize]) -> Option<usize> {
        const REHASHES: usize = 20;
        let octets = match client {
            Some(IpAddr::V4(address)) => address.octets()[..3].to_vec(),
            Some(IpAddr::V6(address)) => address.octets().to_vec(),
            None => return self.in_turn(open),
        };
        // All of them, so that a client stays where it is when another server goes away.
        let primary: Vec<usize> =
            (0..self.servers.len()).filter(|&index| !self.servers[index].backup).collect();
        let total: i64 = primary.iter().map(|&index| self.servers[index].weight).sum();
        let mut hash: i64 = 89;
        for _ in 0..REHASHES {
            for octet in &octets {
                hash = (hash * 113 + i64::from(*octet)) % 6271;
            }
            let named = self.at_weight(primary.iter().copied(), hash.checked_rem(total)?);
            if let Some(named) = named.filter(|named| open.contains(named)) {
                return Some(named);
            }
        }
        self.in_turn(open)
    }

    /// Laid end to end by weight, the server that `point` falls on.
    fn at_weight(&self, mut servers: impl Iterator<Item = usize>, mut point: i64) -> Option<usize> {
        servers.find(|&index| {
            point -= self.servers[index].weight;
            point < 0
        })
    }

    /// Has `one` more requests for its weight than `other`?
    fn busier(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.servers[one], &self.servers[other]);
        one.in_flight as i64 * other.weight > other.in_flight as i64 * one.weight
    }
}

impl State {
    fn new(config: &ServerConfig) -> Self {
        Self {
            weight: i64::from(config.weight),
            backup: config.backup,
            down: config.down,
            max_conns: config.max_conns,
            in_flight: 0,
            current: 0,
            mark: Mark::new(config.max_fails, config.fail_timeout.0),
        }
    }

    fn has_room(&self) -> bool {
        self.max_conns == 0 || self.in_flight < self.max_conns
    }
}

#[cfg(test)]
mod tests;
