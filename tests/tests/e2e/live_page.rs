//! The live page in a real browser: figures of all edges, the hottest pages, servers that are drained and
//! added by keyboard, a telephone, dark and light.

use weir_tests::{Load, Location, Settings, Stack, Topology, both_topologies, browse, site};

fn settings() -> Settings {
    site([Location::cached("/", "1s")])
}

both_topologies!(people_see_what_happens, settings());
fn people_see_what_happens(stack: &Stack) {
    // In three services there are two edges, which the cache-node knows.
    let other = (stack.topology == Topology::Split).then(|| stack.another_edge());
    let targets: Vec<_> = std::iter::once(stack.http()).chain(other.iter().map(|(_, at)| *at)).collect();
    let loads: Vec<_> = targets
        .iter()
        .map(|at| Load::start(*at, 2, |visitor, n| format!("/count/{}", ["a", "a", "b"][(visitor + n) % 3])))
        .collect();
    let url = format!("http://{}/#token={}", stack.admin_address(), stack.token());
    let pictures = stack.directory().display().to_string();
    browse("live_page.py", &[&url, &targets.len().to_string(), &pictures]);
    for load in loads {
        assert_eq!(load.end(), Vec::<String>::new());
    }
}
