//! Purges: asked for, written, and over when nobody can use a page from before.

use super::*;

impl Simulation {
    pub(super) fn purge(&mut self) {
        let key = self.chance.below(PAGES as u64) as usize;
        let url = NAMES[key].0.clone();
        let (target, reached) = match self.chance.below(8) {
            0 => (Target::All, (0..PAGES).collect()),
            1 => (Target::Prefix("http://h/".into()), (0..PAGES).collect()),
            2..5 => {
                (Target::Tag(tag(key).into()), (0..PAGES).filter(|other| tag(*other) == tag(key)).collect())
            }
            _ => (Target::Url(url.into()), vec![key]),
        };
        let node = self.chance.below(NODES as u64) as usize;
        self.seen.purges += 1;
        self.purges.push(PurgeOp {
            node,
            reached,
            targets: vec![target],
            asked: self.now,
            place: None,
            silent: HashMap::new(),
            over: None,
        });
        let n = self.purges.len() - 1;
        self.soon(Event::PurgeAtRedis(n));
    }

    pub(super) fn look_at_purge(&mut self, n: usize) {
        let now = self.now;
        let (node, asked, Some(place)) = (self.purges[n].node, self.purges[n].asked, self.purges[n].place)
        else {
            return;
        };
        if now > asked + PURGE_WAIT || !self.nodes[node].alive {
            return;
        }
        let own = self.nodes[node].settled(now);
        let mut over = self.has_redis(node) && own.log == place.log && own.seq >= place.seq;
        if self.has_redis(node) {
            for (other, member) in self.redis.members.clone() {
                let silent = &mut self.purges[n].silent;
                let (known, since) = silent.entry(other).or_insert((member, now));
                if *known != member {
                    (*known, *since) = (member, now);
                }
                let settled = member.settled.log == place.log && member.settled.seq >= place.seq;
                over &= other == node || settled || now >= *since + GRACE;
            }
        }
        if over {
            self.purges[n].over = Some(now);
            self.seen.over += 1;
            self.tell(|| format!("purge of {asked} is over"));
            return;
        }
        self.after(2, Event::LookAtPurge(n));
    }
}
