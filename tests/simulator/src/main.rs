//! Plays the worlds of many seeds, each in a process of its own, and shows the shortest schedule of one in
//! which something was wrong.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use parking_lot::Mutex;
use weir_simulator::schedule::Schedule;
use weir_simulator::{clock, invariants, kernel, script_faults, shrink, world};

/// Attempts to make a schedule shorter.
const SHRINKING: usize = 150;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the command line says: `--seeds 100 --from 1 --jobs 2 --fault unfenced --show`. Within: `--play SEED
/// --keep 1,2,3`.
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
}

#[allow(clippy::print_stdout, reason = "it is a program that reports")]
fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments(std::env::args().skip(1).collect());
    if let Some(seed) = arguments.value("--play") {
        return Ok(play(seed.parse()?, &arguments));
    }
    let (from, seeds) = (arguments.number("--from", 1)?, arguments.number("--seeds", 100)?);
    let jobs = arguments.number("--jobs", thread::available_parallelism()?.get() as u64)?;
    let directory = std::env::temp_dir().join(format!("weir-simulator-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let player = Player {
        program: std::env::current_exe()?,
        library: kernel::build(&directory)?,
        fault: arguments.value("--fault").map(str::to_owned),
    };
    let found = match arguments.has("--show") {
        true => Some(from),
        false => player.search(from, seeds, jobs),
    };
    match found {
        Some(seed) if arguments.has("--quick") => println!("found by seed {seed}"),
        Some(seed) => player.report(seed, arguments.has("--show")),
        None => println!("{seeds} worlds from seed {from} on: nothing was wrong"),
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(if found.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One world, in this process.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program that reports")]
fn play(seed: u64, arguments: &Arguments) -> ExitCode {
    assert!(clock::is_simulated(), "must run below kernel.c");
    std::panic::set_hook(Box::new(|panic| {
        // If it is the world's own, nobody comes to read the list.
        eprintln!("{panic}");
        PANICS.lock().push(panic.to_string());
    }));
    let is_shown = arguments.has("--show");
    let mut schedule = Schedule::new(seed);
    if let Some(kept) = arguments.value("--keep") {
        let kept: Vec<usize> = kept.split(',').filter_map(|number| number.parse().ok()).collect();
        schedule.keep(&kept);
    }
    if is_shown {
        let Schedule { topology, has_redis, kind, events } = &schedule;
        println!("{topology:?}, Redis: {has_redis}, {kind:?}");
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
    println!("trace {:016x} {}", end.trace, end.history.visits.len());
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What plays worlds in processes of their own.
struct Player {
    program: PathBuf,
    library: PathBuf,
    /// A fault to put back.
    fault: Option<String>,
}

/// How a world ended.
struct PlayedSimulation {
    is_bad: bool,
    text: String,
}

impl Player {
    /// Plays seeds until one fails; says the lowest that did.
    fn search(&self, from: u64, seeds: u64, jobs: u64) -> Option<u64> {
        let (next, is_over, failed) = (AtomicU64::new(from), AtomicBool::new(false), Mutex::new(None));
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while !is_over.load(Relaxed) {
                        let seed = next.fetch_add(1, Relaxed);
                        if seed >= from + seeds {
                            return;
                        }
                        if self.play(seed, None, false).is_bad {
                            is_over.store(true, Relaxed);
                            let mut failed = failed.lock();
                            *failed = Some(failed.map_or(seed, |other: u64| other.min(seed)));
                        }
                    }
                });
            }
        });
        failed.into_inner()
    }

    fn play(&self, seed: u64, kept: Option<&[usize]>, is_shown: bool) -> PlayedSimulation {
        let mut arguments = vec!["--play".to_owned(), seed.to_string()];
        if let Some(kept) = kept {
            let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
            arguments.extend(["--keep".to_owned(), kept.join(",")]);
        }
        if let Some(fault) = &self.fault {
            arguments.extend(["--fault".to_owned(), fault.clone()]);
        }
        if is_shown {
            arguments.push("--show".to_owned());
        }
        match kernel::run(&self.program, &self.library, seed, &arguments) {
            Ok(output) => {
                let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
                text.push_str(&String::from_utf8_lossy(&output.stderr));
                if !output.status.success() && violation(&text).is_none() {
                    text.push_str(&format!(
                        "violation the world did not come to its end: {}\n",
                        output.status
                    ));
                }
                PlayedSimulation { is_bad: !output.status.success(), text }
            }
            Err(error) => PlayedSimulation { is_bad: true, text: error.to_string() },
        }
    }

    /// Shows a seed, and if it fails, the shortest schedule that fails likewise.
    #[allow(clippy::print_stdout, reason = "it is a program that reports")]
    fn report(&self, seed: u64, is_shown: bool) {
        let PlayedSimulation { text, .. } = self.play(seed, None, is_shown);
        println!("SEED={seed}:\n{text}");
        let events = text.lines().find_map(|line| line.strip_prefix("events ")?.parse().ok());
        let (Some(violation), Some(events)) = (violation(&text), events) else { return };
        let fails = |kept: &[usize]| {
            let played = self.play(seed, Some(kept), false);
            self::violation(&played.text).as_ref() == Some(&violation)
        };
        let fewest = shrink::shrink(events, SHRINKING, fails);
        println!("the shortest schedule that was found, of {} events:", fewest.len());
        println!("{}", self.play(seed, Some(&fewest), true).text);
    }
}

/// The kind of the first violation, without its details.
fn violation(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("violation"))?;
    Some(line.split(':').next().unwrap_or_default().to_owned())
}
