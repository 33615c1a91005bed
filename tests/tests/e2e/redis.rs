//! Redis fails, fails over and is moved, under load from two edges with a cache-node each. No visitor sees an
//! error or a page that is not theirs, the application is asked no more than once per page, lifetime and
//! node, and soon both share pages again.

use std::cell::Cell;
use std::time::{Duration, Instant};

use weir_tests::{
    FaultProxy, Load, Location, NetworkFault, Redis, RedisCluster, RedisSentinels, Response, Setup, Stack,
    Twin, site, until,
};

/// Seconds past its lifetime at which a page may still be served: `stale_while_revalidate`, and one that the
/// machine may let pass between the decision and the reply.
const LATEST: i64 = 2;

/// Pages that all want, and of which the application says in a field which one it is.
const HOT: usize = 4;
const VISITORS: usize = 4;
/// How long each fault lasts.
const A_WHILE: Duration = Duration::from_secs(1);

/// Two edges, each with its node, and visitors at both.
struct Scene {
    stack: Stack,
    twin: Twin,
    loads: [Load; 2],
    began: Instant,
    faults: Cell<u64>,
}

impl Scene {
    fn start(redis: impl AsRef<str>) -> Self {
        let stack =
            Stack::split(Setup::from(site([Location::microcached("/")])).with_redis(redis).impatient());
        let twin = Twin::of(&stack);
        let load = |address| {
            Load::checking(
                address,
                VISITORS,
                |visitor, n| match n % 10 {
                    // Now and then one that nobody has asked for.
                    9 => page(&format!("cold{visitor}-{n}")),
                    _ => page(&format!("hot{}", (visitor + n) % HOT)),
                },
                wrong,
            )
        };
        let began = Instant::now();
        let loads = [load(stack.http()), load(twin.http())];
        let scene = Self { loads, began, stack, twin, faults: Cell::new(0) };
        scene.shares("start");
        scene
    }

    /// The fault, for a while, with answers all the time.
    fn suffer(&self, name: &str, fault: impl FnOnce(), mend: impl FnOnce()) {
        self.faults.set(self.faults.get() + 1);
        fault();
        self.go_on(A_WHILE);
        mend();
        self.shares(name);
    }

    fn go_on(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.loads.iter().for_each(|load| load.wait_for(20));
        }
    }

    /// Until a page that one edge has asked for is there for the other.
    fn shares(&self, after: &str) {
        let mut n = 0;
        until(&format!("pages are shared after: {after}"), || {
            n += 1;
            let name = format!("shared-{}-{n}", after.replace(' ', "-"));
            self.stack.get(&page(&name)).expect(200);
            self.twin.get(&page(&name)).expect(200);
            (self.stack.oracle.calls(&name) == 1).then_some(())
        });
    }

    fn end(self) {
        let Self { stack, twin, loads, began, faults } = self;
        for load in loads {
            let troubles = load.end();
            assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
        }
        // Two nodes that do not know of each other: two calls in each second, and some at the edges of it.
        // One more at each edge when Redis is lost and when it is back: what was kept by the log, or without
        // it, ends then.
        let most = 2 * (began.elapsed().as_secs() + 3) + 4 * faults.get();
        for n in 0..HOT {
            let (calls, at_once) =
                (stack.oracle.calls(&format!("hot{n}")), stack.oracle.most_at_once(&format!("hot{n}")));
            assert!(calls <= most && at_once <= 2, "hot{n}: {calls} calls of {most}, {at_once} at once");
        }
        let log = stack.log() + &twin.edge.log() + &twin.cache_node.log();
        assert!(!log.contains("panicked at"), "{log}");
        // Some lines for each time that Redis is lost and back, not one for each call: those are thousands.
        assert!(log.lines().count() < 400, "{log}");
    }
}

fn page(name: &str) -> String {
    format!("/count/{name}?h=X-Page:{name}")
}

fn wrong(target: &str, response: &Response) -> Option<String> {
    let page = response.field("x-page").unwrap_or_default();
    if !target.ends_with(&format!(":{page}")) || page.is_empty() {
        return Some(format!("is page {page:?}"));
    }
    // Not its Age: "response_delay = response_time - request_time; corrected_age_value = age_value +
    // response_delay;" (RFC 9111 section 4.2.3). That holds the time which the application takes, seconds on
    // a machine that builds meanwhile, while a lifetime by the settings counts from when the reply has come.
    let left = response.cache_status().split("ttl=").nth(1)?.split(';').next()?.parse::<i64>().ok()?;
    (left < -LATEST).then(|| format!("is {} s past its lifetime", -left))
}

#[test]
fn one_server_fails_in_every_way() {
    let redis = Redis::start();
    let proxy = FaultProxy::start(redis.address());
    let scene = Scene::start(format!("{{ url = \"redis://{}\" }}", proxy.address()));
    scene.suffer("killed", || redis.process.kill(), || redis.start_again());
    scene.suffer("stopped", || redis.process.stop(), || redis.process.go_on());
    scene.suffer("full", || redis.set("maxmemory", "1"), || redis.set("maxmemory", "0"));
    let master = |words: [&str; 2]| {
        redis.ask(&["REPLICAOF", words[0], words[1]]);
    };
    scene.suffer("read-only", || master(["127.0.0.1", "1"]), || master(["NO", "ONE"]));
    for (name, fault) in [
        ("slow", NetworkFault::Latency(Duration::from_millis(200))),
        ("silent", NetworkFault::Silence),
        ("cut", NetworkFault::Cut),
        ("byte by byte", NetworkFault::OneByteAtATime),
    ] {
        scene.suffer(name, || proxy.set(fault), || proxy.set(NetworkFault::None));
    }
    scene.end();
}

#[test]
fn a_master_fails_over_by_sentinel() {
    let redis = RedisSentinels::start(3);
    let urls = redis.urls();
    let scene = Scene::start(format!("{{ url = {urls:?}, sentinel = \"{}\" }}", RedisSentinels::NAME));
    scene.suffer("failed over", || redis.fail_over(), || {});
    let master = until("the sentinels name a master", || redis.master());
    scene.suffer(
        "master killed",
        || redis.servers[master].process.kill(),
        || until("the other one is master", || (redis.master()? != master).then_some(())),
    );
    scene.end();
}

#[test]
fn a_cluster_is_resharded_and_loses_a_master() {
    let redis = RedisCluster::start(3);
    let urls = redis.urls();
    let scene = Scene::start(format!("{{ url = {urls:?}, cluster = true }}"));
    // The slots of all that is stored now, those of the hot pages among them.
    let mut slots = Vec::new();
    for node in &redis.nodes {
        for key in node.ask(&["KEYS", "weir:*"]).list().into_iter().take(60) {
            slots.push(redis.slot_of(&key.text()));
        }
    }
    slots.sort_unstable();
    slots.dedup();
    assert!(slots.len() > HOT, "{slots:?}");
    let to = |slot: u16| (redis.owner_of(slot) + 1) % redis.nodes.len();
    let targets: Vec<_> = slots.iter().map(|slot| (*slot, to(*slot))).collect();
    scene.suffer(
        "resharded",
        || targets.iter().for_each(|(slot, to)| redis.begin_to_move(*slot, *to)),
        || targets.iter().for_each(|(slot, to)| redis.finish_moving(*slot, *to)),
    );
    scene.suffer("master killed", || redis.nodes[0].process.kill(), || redis.nodes[0].start_again());
    scene.end();
}
