//! One request after the other: pages found, made, stored and served.

use super::*;

impl Simulation {
    pub(super) fn arrive(&mut self) {
        let (edge, key) =
            (self.chance.below(EDGES as u64) as usize, self.chance.below(PAGES as u64) as usize);
        if !self.edges[edge].alive {
            return;
        }
        self.last_id += 1;
        let (id, now) = (self.last_id, self.now);
        self.requests.insert(id, Request { edge, key, arrived: now, asked: now, state: State::Asking });
        let page = self.edges[edge].pages.get(&key).copied();
        if let Some(page) = page.filter(|page| now < page.made + TTL && self.edges[edge].may_use(page, now)) {
            self.seen.hits += 1;
            return self.serve(id, page.made);
        }
        // Edges agree on who owns a page, as a rule.
        let skew = usize::from(self.chance.one_in(10));
        let node = (key + skew) % NODES;
        if self.linked(edge, node) {
            self.soon(Event::Asked(id, node));
        }
        self.after(PATIENCE, Event::Impatient(id));
    }

    pub(super) fn look_up(&mut self, id: u64, node: usize) {
        let now = self.now;
        let Some(request) = self.requests.get(&id) else { return };
        let (edge, key) = (request.edge, request.key);
        if !self.linked(edge, node) || !matches!(request.state, State::Asking | State::Waiting(_)) {
            return;
        }
        let usable = |page: &&Page| now < page.made + TTL && self.nodes[node].may_use(page, now);
        let in_touch = self.nodes[node].is_live(now) && self.has_redis(node);
        let found = self.nodes[node].pages.get(&key).filter(usable);
        let found = found.or_else(|| self.redis.pages.get(&key).filter(|page| in_touch && usable(page)));
        if let Some(page) = found.copied() {
            self.nodes[node].pages.insert(key, page);
            return self.soon(Event::Found { request: id, page });
        }
        self.last_id += 1;
        let token = self.last_id;
        let granted = match in_touch {
            true => self.redis.grant(key, token, now),
            false => {
                let held = self.nodes[node].leases.get(&key).is_some_and(|(_, until)| now < *until);
                if !held {
                    self.nodes[node].leases.insert(key, (token, now + crate::redis::LEASE));
                }
                !held
            }
        };
        if !granted {
            self.seen.waited += 1;
            self.requests.get_mut(&id).unwrap().state = State::Waiting(node);
            return self.after(3, Event::LookAgain(id));
        }
        let grant = self.nodes[node].grant(now);
        let lease =
            Lease { node, key, token, grant, granted: now, failovers: self.failovers, in_redis: in_touch };
        self.soon(Event::Leased { request: id, lease });
    }

    pub(super) fn make_alone(&mut self, id: u64) {
        self.seen.alone += 1;
        let now = self.now;
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.asked = now;
        request.state = State::Making(None, self.edges[request.edge].alone(now));
        self.fetch(id);
    }

    pub(super) fn pass(&mut self, id: u64) {
        self.requests.get_mut(&id).unwrap().state = State::Passing;
        self.fetch(id);
    }

    pub(super) fn fetch(&mut self, request: u64) {
        let until_made = 1 + self.chance.below(SLOWEST);
        self.after(until_made, Event::Made { request });
    }

    pub(super) fn fetched(&mut self, id: u64, made: u64) {
        let Some(request) = self.requests.get(&id) else { return };
        let (edge, key) = (request.edge, request.key);
        if let State::Making(lease, grant) = request.state {
            self.edges[edge].pages.insert(key, Page { key, made, grant });
            if let Some(lease) = lease {
                self.soon(Event::Stored { page: Page { key, made, grant: lease.grant }, lease });
            }
        }
        self.serve(id, made);
    }

    pub(super) fn store(&mut self, page: Page, lease: Lease) {
        let now = self.now;
        if !self.nodes[lease.node].alive || !self.nodes[lease.node].may_use(&page, now) {
            self.seen.refused += 1;
            return;
        }
        if !lease.in_redis {
            self.nodes[lease.node].pages.insert(lease.key, page);
            return;
        }
        if !self.has_redis(lease.node) || !self.redis.put(lease.key, lease.token, page, now) {
            self.seen.refused += 1;
            return;
        }
        self.seen.stores += 1;
        self.nodes[lease.node].pages.insert(lease.key, page);
        // A failover may leave two with a lease; each of them has asked the application, and the later store
        // stands.
        if let Some((stored, failovers)) = self.stored.insert(lease.key, (now, self.failovers))
            && lease.granted < stored
            && failovers == lease.failovers
        {
            self.broken = Some(format!("two held page {} at {stored}, and both stored it", lease.key));
        }
    }

    /// Purges that were over when the request came must have been asked for before the page was made.
    pub(super) fn serve(&mut self, id: u64, made: u64) {
        let Some(request) = self.requests.remove(&id) else { return };
        let old = self.purges.iter().find(|purge| {
            purge.reached.contains(&request.key)
                && purge.over.is_some_and(|over| over < request.arrived)
                && made < purge.asked
        });
        if let Some(purge) = old {
            self.broken = Some(format!(
                "edge {} gave page {} of {made} to a request of {}, though a purge of {} was over at {:?}",
                request.edge, request.key, request.arrived, purge.asked, purge.over
            ));
        }
    }
}
