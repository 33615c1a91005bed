//! How nodes follow the log in Redis, and edges that of the nodes.

use super::*;

impl Simulation {
    pub(super) fn node_beats(&mut self, node: usize) {
        let now = self.now;
        let waits = self.nodes[node].beating.is_some_and(|since| now < since + BEAT_TIMEOUT);
        if self.nodes[node].alive && !waits {
            let (member, read) = (self.nodes[node].member(now), self.nodes[node].place());
            self.nodes[node].beating = Some(now);
            self.soon(Event::BeatAtRedis { node, member, read, sent: now });
        }
    }

    pub(super) fn beat_is_back(&mut self, node: usize, read: &BeatResult, sent: u64) {
        // An answer that was given up is not heard.
        if self.nodes[node].beating != Some(sent) {
            return;
        }
        self.nodes[node].beating = None;
        let had = self.nodes[node].place();
        if self.nodes[node].beats == 1
            && let Some(before) = read.before
        {
            self.nodes[node].inherit(before, self.last_id + 1, self.now);
            self.last_id += EDGES as u64;
        }
        if self.nodes[node].take_in(read, sent, self.now) {
            self.tell_followers(node);
        } else {
            self.seen.logs_lost += 1;
            let new = LogId::new(u128::from(self.chance.next()));
            self.redis.succeed(had.log, new);
        }
    }

    /// Each edge that watches is told what is new, in order.
    pub(super) fn tell_followers(&mut self, node: usize) {
        for edge in 0..EDGES {
            let Some(watch) = self.edges[edge].watches.get(&node) else { continue };
            let session = watch.session;
            let had = self.edges[edge].place(self.nodes[node].place().log);
            self.tell_news(edge, node, session, had);
        }
    }

    pub(super) fn tell_news(&mut self, edge: usize, node: usize, session: u64, had: Option<Position>) {
        let news = self.nodes[node].news(had);
        let said = EdgeMessage::News { log: news.log, floor: news.floor, purges: news.purges };
        // One stream: what is said later comes later.
        self.after(1, Event::ToEdge { edge, node, session, said });
    }

    pub(super) fn edge_beats(&mut self, edge: usize, node: usize, session: u64) {
        let Some(watch) = self.edges[edge].watches.get(&node) else { return };
        if watch.session != session {
            return;
        }
        let place = watch.log.and_then(|log| self.edges[edge].place(log));
        let acknowledged = place.map_or(Seq::START, |place| place.seq);
        let said = NodeMessage::Beat { sent: self.now, acknowledged };
        self.soon(Event::ToNode { edge, node, session, said });
        self.after(BEAT, Event::EdgeBeats(edge, node, session));
    }

    pub(super) fn at_node(&mut self, edge: usize, node: usize, session: u64, said: NodeMessage) {
        if !self.linked(edge, node) {
            return;
        }
        match said {
            NodeMessage::Hello(had) => {
                self.nodes[node].members.join(session, edge.to_string(), steps(GRACE), at(self.now));
                self.tell_news(edge, node, session, had);
            }
            NodeMessage::Beat { sent, acknowledged } => {
                self.nodes[node].members.heard(session, acknowledged, at(self.now));
                let left = self.nodes[node].left(self.now);
                self.after(1, Event::ToEdge { edge, node, session, said: EdgeMessage::Echo { sent, left } });
            }
        }
    }

    pub(super) fn at_edge(&mut self, edge: usize, node: usize, session: u64, said: EdgeMessage) {
        if !self.linked(edge, node) {
            self.nodes[node].members.break_off(session, at(self.now));
            return;
        }
        let Some(watch) = self.edges[edge].watches.get_mut(&node) else { return };
        if watch.session != session {
            return;
        }
        match said {
            EdgeMessage::News { log, floor, purges } => {
                let before = watch.log.replace(log);
                if let Some(before) = before.filter(|before| *before != log) {
                    self.edges[edge].lose(before);
                }
                self.edges[edge].follow(log, floor);
                for logged in &purges {
                    self.edges[edge].apply(log, logged, self.now);
                }
                let acknowledged = self.edges[edge].place(log).map_or(Seq::START, |place| place.seq);
                let said = NodeMessage::Beat { sent: 0, acknowledged };
                self.soon(Event::ToNode { edge, node, session, said });
            }
            EdgeMessage::Echo { sent, left } => {
                if let Some(log) = watch.log.filter(|_| sent > 0) {
                    self.edges[edge].heard(log, sent, left);
                }
            }
        }
    }
}
