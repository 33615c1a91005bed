//! Leases, purges and stores of a small cluster, driven through random schedules of delay, loss, partition,
//! crash and failover.
//!
//! What is under test are the crate's own rules: a node follows the log by `continues`, `PurgeIndex` and
//! `Trust`, knows its edges by `Membership`; an edge keeps pages by `PurgeIndex` and `Trust`. Around them
//! stands as little as makes a cluster: a Redis that can fail over to a copy that lagged, messages that take
//! time or are lost. Three things must hold on every schedule:
//!
//! 1. no page made before a purge was asked for is given to a request that came after the purge was over;
//! 2. of those who hold a lease on a page, one at most can store it;
//! 3. no request waits longer than its bound.
//!
//! A schedule is its seed. `MODEL_SEED=7 cargo test -p purge --test model` runs that one alone, and tells
//! what happens in it.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // whatever goes wrong here has to fail the test

mod chance;
mod edge;
mod node;
mod redis;
mod world;

use world::Simulation;

/// Schedules in one run, and steps in each. A step is ten milliseconds.
const SCHEDULES: u64 = 2_000;
const STEPS: u64 = 800;

#[test]
fn nothing_old_is_served_nothing_is_stored_twice_and_nobody_waits_for_ever() {
    let told: Option<u64> = std::env::var("MODEL_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = told.map_or(0..SCHEDULES, |seed| seed..seed + 1);
    let mut seen = world::Tally::default();
    for seed in seeds {
        let mut world = Simulation::new(seed, told.is_some());
        for _ in 0..STEPS {
            world.step();
            if let Some(broken) = &world.broken {
                panic!("MODEL_SEED={seed} at step {}: {broken}", world.now);
            }
        }
        seen.add(&world.seen);
    }
    // A model in which nothing happens proves nothing.
    println!("{seen:?}");
    if told.is_none() {
        seen.check();
    }
}
