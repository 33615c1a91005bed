//! nginx's `hash … consistent`: ketama, as Cache::Memcached::Fast has it. Each server has points on a ring, a
//! key belongs to the next one, so that a server that comes or goes moves only its own share of the keys.
//! Same points as nginx, so same servers.

use super::member::ServerId;

/// Points of a server per unit of weight.
const POINTS: u32 = 160;

#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The points in order of their places, one server each.
    points: Vec<(u32, ServerId)>,
}

impl Ring {
    /// Makes the ring of servers and their weights. `name` is a server's place as nginx writes it:
    /// "host:port", or a socket's path after "unix:".
    pub(super) fn new(servers: impl Iterator<Item = (ServerId, String, u32)>) -> Self {
        let mut points = Vec::new();
        for (id, name, weight) in servers {
            let (host, port) = host_and_port(&name);
            // crc32(HOST \0 PORT PREVIOUS)
            let mut base = crc32fast::Hasher::new();
            base.update(host.as_bytes());
            base.update(b"\0");
            base.update(port.as_bytes());
            let mut previous = 0u32;
            for _ in 0..weight.saturating_mul(POINTS) {
                let mut hasher = base.clone();
                hasher.update(&previous.to_le_bytes());
                previous = hasher.finalize();
                points.push((previous, id));
            }
        }
        points.sort_by_key(|&(place, _)| place);
        points.dedup_by_key(|&mut (place, _)| place);
        Self { points }
    }

    /// The server of a key, and those that take over in turn when it cannot be used: a server may come up
    /// again and again.
    pub(super) fn from(&self, key: u32) -> impl Iterator<Item = ServerId> {
        let start = self.points.partition_point(|&(place, _)| place < key);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|&(_, id)| id)
    }
}

/// Where a key is on the ring.
pub(super) fn place(key: &[u8]) -> u32 {
    crc32fast::hash(key)
}

fn host_and_port(name: &str) -> (&str, &str) {
    if let Some(path) = name.strip_prefix("unix:") {
        return (path, "");
    }
    match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(servers: &[(&str, u32)]) -> Ring {
        Ring::new(
            servers.iter().zip(0..).map(|(&(name, weight), id)| (ServerId(id), name.to_owned(), weight)),
        )
    }

    fn owner(ring: &Ring, key: &str) -> u32 {
        ring.from(place(key.as_bytes())).next().unwrap().0
    }

    /// What nginx 1.22 answered with `hash $request_uri consistent` and these servers, one digit per key.
    #[test]
    fn keys_are_where_nginx_has_them() {
        let equal = ring(&[("127.0.0.1:29001", 1), ("127.0.0.1:29002", 1), ("127.0.0.1:29003", 1)]);
        let weighted = ring(&[("127.0.0.1:29001", 1), ("127.0.0.1:29002", 2), ("127.0.0.1:29003", 3)]);
        for (ring, recorded) in [(equal, EQUAL), (weighted, WEIGHTED)] {
            let ours: String = (0..recorded.len())
                .map(|n| (owner(&ring, &format!("/page/{n}?x={n}")) + 1).to_string())
                .collect();
            assert_eq!(ours, recorded);
        }
    }

    const EQUAL: &str = "322111212311133322122223312331332133121333211132221131121213";
    const WEIGHTED: &str = "323333212333333322222233332331233333123332231132233331132212";

    #[test]
    fn a_server_that_goes_moves_its_own_keys_only() {
        let names: Vec<String> = (0..10).map(|n| format!("10.0.0.{n}:8000")).collect();
        let all: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let (before, after) = (ring(&all), ring(&all[..9]));
        let mut moved = 0;
        for key in (0..10_000).map(|n| format!("/{n}")) {
            let (was, is) = (owner(&before, &key), owner(&after, &key));
            moved += u32::from(was != is);
            assert!(was == is || was == 9, "{key} was not at the server that went");
        }
        assert!((500..1800).contains(&moved), "{moved} of 10,000 moved: about a tenth should");
    }

    #[test]
    fn those_who_take_over_are_all_the_others() {
        let ring = ring(&[("a:1", 1), ("b:1", 1), ("unix:/c", 1)]);
        let order: Vec<u32> = ring.from(7).map(|id| id.0).collect();
        assert_eq!(order.len(), 3 * 160);
        for id in 0..3 {
            assert_eq!(order.iter().filter(|&&other| other == id).count(), 160);
        }
        assert_eq!(Ring::default().from(7).next(), None);
    }
}
