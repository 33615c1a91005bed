//! Lets one thing after another fail in each scene: each piece that services send, each socket, each limit.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use parking_lot::Mutex;
use weir_simulator::schedule::{Aim, Scene};
use weir_simulator::strike::{LIMITS, MOST};

use crate::player::{PlayedSimulation, Player, violation};

/// What becomes of a piece.
const LOSSES: [&str; 3] = ["lost", "torn", "late"];
const SOCKETS: &str = "descriptor";
/// Whether a scene is what it is said to be.
const NOTHING: &str = "nothing";

/// What fails in which scene, and how it went.
struct Step {
    scene: Scene,
    kind: &'static str,
    number: u64,
    violation: Mutex<Option<String>>,
}

/// Walks through all scenes, or takes each `every`-th step, and prints a line for each kind of failure.
/// False: something was wrong.
#[allow(clippy::print_stdout, reason = "it is a program that reports")]
pub(crate) fn walk(player: &Player, every: usize, jobs: u64) -> bool {
    let steps: Vec<Step> = Scene::ALL.into_iter().flat_map(|scene| steps(player, scene)).collect();
    let steps: Vec<Step> = steps.into_iter().step_by(every.max(1)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(step) = steps.get(next.fetch_add(1, Relaxed)) {
                    step.take(player);
                }
            });
        }
    });
    for group in steps.chunk_by(|one, other| (one.scene, one.kind) == (other.scene, other.kind)) {
        let bad: Vec<String> = group.iter().filter_map(Step::verdict).collect();
        println!("{}, {}: {} failed, {} wrong", group[0].scene.name(), group[0].kind, group.len(), bad.len());
        bad.iter().for_each(|bad| println!("  {bad}"));
    }
    let bad = steps.iter().filter_map(Step::verdict).count();
    println!("{} things failed, {bad} wrong", steps.len());
    bad == 0
}

fn steps(player: &Player, scene: Scene) -> Vec<Step> {
    let step = |kind, number| Step { scene, kind, number, violation: Mutex::default() };
    let pieces = counted(player, scene, LOSSES[0]);
    let sockets = counted(player, scene, SOCKETS);
    let losses = LOSSES.into_iter().flat_map(|kind| (1..=pieces).map(move |number| (kind, number)));
    let sockets = (1..=sockets).map(|number| (SOCKETS, number));
    let limits = LIMITS.iter().flat_map(|limit| (1..=MOST).map(|number| (limit.name, number)));
    let nothing = [(NOTHING, 0)].into_iter();
    nothing.chain(losses).chain(sockets).chain(limits).map(|(kind, number)| step(kind, number)).collect()
}

/// How many there are in the scene if none fails.
fn counted(player: &Player, scene: Scene, kind: &str) -> u64 {
    let text = player.strike(scene, &format!("{kind}:{}", u32::MAX)).text;
    text.lines().find_map(|line| line.strip_prefix("counted ")?.parse().ok()).unwrap_or_default()
}

impl Step {
    fn take(&self, player: &Player) {
        let played = player.strike(self.scene, &format!("{}:{}", self.kind, self.number));
        if played.is_bad {
            *self.violation.lock() = Some(violation(&played.text).unwrap_or_default());
        }
    }

    fn verdict(&self) -> Option<String> {
        self.violation.lock().as_ref().map(|violation| format!("{}:{}: {violation}", self.kind, self.number))
    }
}

impl Player {
    /// Plays a scene in which this fails.
    fn strike(&self, scene: Scene, strike: &str) -> PlayedSimulation {
        let Self { program, library, fault, .. } = self;
        let (program, library, fault) = (program.clone(), library.clone(), fault.clone());
        let (aim, strike) = (Aim::Scene(scene), Some(strike.to_owned()));
        Self { program, library, fault, aim, strike }.play(1, None, false)
    }
}
