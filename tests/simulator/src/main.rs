//! Plays the worlds of many seeds, each in a process of its own, and shows the shortest schedule of one in
//! which something was wrong.

mod player;
mod walk;

use std::path::Path;
use std::process::ExitCode;
use std::thread;

use anyhow::Context;
use parking_lot::Mutex;
use weir_simulator::schedule::{Aim, Schedule};
use weir_simulator::strike::Strike;
use weir_simulator::{clock, code_faults, invariants, kernel, script_faults, world};

use crate::player::{Player, violation};

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the command line says: `--seeds 100 --from 1 --jobs 2 --world split --fault unfenced --show`. `--all`
/// names each seed that fails; `--faults` puts each fault back; `--walk` lets each thing of each scene fail,
/// or each n-th by `--every n`: `--world miss --strike lost:17 --show` is one. `--put-back NAME --tree DIR`
/// changes the source in a copy of the repository and says which worlds find it, `--code-faults` lists the
/// names. Within: `--play 1 --keep 1,2`.
struct Arguments(Vec<String>);

impl Arguments {
    fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|known| known == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number(&self, name: &str, default: u64) -> anyhow::Result<u64> {
        Ok(self.value(name).map(str::parse).transpose()?.unwrap_or(default))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// The kind of worlds that is named, or that shows the fault which is put back.
    fn aim(&self) -> anyhow::Result<Aim> {
        let of_fault = self.value("--fault").and_then(script_faults::named).map(|fault| fault.aim);
        let Some(name) = self.value("--world") else { return Ok(of_fault.unwrap_or_default()) };
        Aim::named(name).with_context(|| format!("there are no worlds called {name}"))
    }

    fn strike(&self) -> anyhow::Result<Option<Strike>> {
        let Some(text) = self.value("--strike") else { return Ok(None) };
        Ok(Some(Strike::parse(text).with_context(|| format!("nothing fails by {text}"))?))
    }
}

#[allow(clippy::print_stdout, reason = "it is a program that reports")]
fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments(std::env::args().skip(1).collect());
    if let Some(seed) = arguments.value("--play") {
        return play(seed.parse()?, &arguments);
    }
    if arguments.has("--code-faults") {
        code_faults::FAULTS.iter().for_each(|fault| println!("{}", fault.name));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = arguments.value("--put-back") {
        let tree = arguments.value("--tree").context("--tree DIR: a copy of the repository")?;
        println!("{}", code_faults::put_back(name, Path::new(tree))?.aim.name());
        return Ok(ExitCode::SUCCESS);
    }
    let (from, seeds) = (arguments.number("--from", 1)?, arguments.number("--seeds", 100)?);
    let jobs = arguments.number("--jobs", thread::available_parallelism()?.get() as u64)?;
    let directory = std::env::temp_dir().join(format!("weir-simulator-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let player = Player {
        program: std::env::current_exe()?,
        library: kernel::build(&directory)?,
        fault: arguments.value("--fault").map(str::to_owned),
        aim: arguments.aim()?,
        strike: arguments.value("--strike").map(str::to_owned),
    };
    if arguments.has("--walk") {
        let is_good = walk::walk(&player, arguments.number("--every", 1)? as usize, jobs);
        std::fs::remove_dir_all(&directory)?;
        return Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if arguments.has("--faults") {
        player.find_faults(from, seeds, jobs);
        std::fs::remove_dir_all(&directory)?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = match arguments.has("--show") {
        true => Some(from),
        false => player.search(from, seeds, jobs, arguments.has("--all")),
    };
    match found {
        Some(seed) if arguments.has("--quick") => {
            let violation = violation(&player.play(seed, None, false).text);
            println!("found by seed {seed}, {}", violation.unwrap_or_default());
        }
        Some(seed) => player.report(seed, arguments.has("--show")),
        None => {
            println!("{seeds} worlds ({}) from seed {from} on: nothing was wrong", player.aim.name())
        }
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(if found.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One world, in this process.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program that reports")]
fn play(seed: u64, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    assert!(clock::is_simulated(), "must run below kernel.c");
    std::panic::set_hook(Box::new(|panic| {
        // If it is the world's own, nobody comes to read the list.
        eprintln!("{panic}");
        PANICS.lock().push(panic.to_string());
    }));
    let is_shown = arguments.has("--show");
    let mut schedule = Schedule::new(seed, arguments.aim()?, arguments.strike()?);
    if let Some(kept) = arguments.value("--keep") {
        let kept: Vec<usize> = kept.split(',').filter_map(|number| number.parse().ok()).collect();
        schedule.keep(&kept);
    }
    if is_shown {
        let Schedule { topology, has_redis, kind, scarcity, events, .. } = &schedule;
        println!("{topology:?}, Redis: {has_redis}, {kind:?}, {scarcity:?}");
        events.iter().for_each(|event| println!("{event:?}"));
    }
    println!("events {}", schedule.events.len());
    let fault = arguments.value("--fault").and_then(script_faults::named);
    let end = world::play(schedule.clone(), seed, fault);
    let mut violations = invariants::violations(&schedule, &end.history);
    violations.extend(PANICS.lock().iter().map(|panic| format!("panicked: {panic}")));
    if is_shown {
        end.history.visits.iter().for_each(|visit| println!("{visit:?}"));
        end.history.calls.iter().for_each(|call| println!("{call:?}"));
        end.history.purges.iter().for_each(|purge| println!("{purge:?}"));
        end.history.faults.iter().for_each(|fault| println!("{fault:?}"));
        end.history.remains.iter().for_each(|remains| println!("{remains:?}"));
    }
    violations.iter().for_each(|violation| println!("violation {violation}"));
    println!("counted {}", end.counted);
    if schedule.scarcity.is_some() {
        println!("bodies {}", end.history.most_bodies);
    }
    println!("trace {:016x} {}", end.trace, end.history.visits.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
