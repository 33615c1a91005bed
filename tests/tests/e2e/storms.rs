//! A crowd that comes and goes: what is kept of it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use weir_tests::{Client, Location, Settings, Stack, both_topologies, site, until};

fn settings() -> Settings {
    site([Location::cached("/", "1h")])
}

const CROWD: usize = 2000;
const STORMS: usize = 3;
/// An idle connection takes more, whether it is parked already or not.
const EACH: usize = 100;
/// What the allocator may keep of a crowd that took little, because its connections were parked.
const KEPT: usize = 512 * 1024;

both_topologies!(the_memory_of_a_crowd_is_given_back_when_it_has_gone, settings());
fn the_memory_of_a_crowd_is_given_back_when_it_has_gone(stack: &Stack) {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let crowd = |size: usize| -> Vec<Client> {
        let visit = |_| {
            let mut client = stack.connect();
            client.get("/count/page").expect(200);
            client
        };
        (0..size).map(visit).collect()
    };
    drop(crowd(100));
    let (mut before, mut grown) = (stack.edge.own_memory(), 0);
    for _ in 0..STORMS {
        // What the start took, or an earlier crowd, may have been given back only now.
        before = before.min(stack.edge.own_memory());
        let _there = crowd(CROWD);
        grown = grown.max(stack.edge.own_memory().saturating_sub(before));
    }
    assert!(grown > CROWD * EACH, "a crowd that takes {grown} bytes proves nothing");
    until("most of the memory is given back", || {
        (stack.edge.own_memory().saturating_sub(before) < (grown / 3).max(KEPT)).then_some(())
    });
}
