//! Plays worlds in processes of their own: to find one that fails, or a fault that was put back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use parking_lot::Mutex;
use weir_simulator::schedule::Aim;
use weir_simulator::script_faults::FAULTS;
use weir_simulator::{kernel, shrink};

/// Attempts to make a schedule shorter.
const SHRINKING: usize = 150;

/// What plays worlds in processes of their own.
pub(crate) struct Player {
    pub(crate) program: PathBuf,
    pub(crate) library: PathBuf,
    /// A fault to put back.
    pub(crate) fault: Option<String>,
    pub(crate) aim: Aim,
    /// What fails in a scene.
    pub(crate) strike: Option<String>,
}

/// How a world ended.
pub(crate) struct PlayedSimulation {
    pub(crate) is_bad: bool,
    pub(crate) text: String,
}

impl Player {
    /// Plays seeds until one fails, or names `all` that do; says the lowest.
    #[allow(clippy::print_stdout, reason = "it is a program that reports")]
    pub(crate) fn search(&self, from: u64, seeds: u64, jobs: u64, all: bool) -> Option<u64> {
        let (next, is_over, failed) = (AtomicU64::new(from), AtomicBool::new(false), Mutex::new(None));
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while !is_over.load(Relaxed) {
                        let seed = next.fetch_add(1, Relaxed);
                        if seed >= from + seeds {
                            return;
                        }
                        let PlayedSimulation { is_bad, text } = self.play(seed, None, false);
                        if is_bad {
                            if all {
                                println!("seed {seed}: {}", violation(&text).unwrap_or_default());
                            }
                            is_over.store(!all, Relaxed);
                            let mut failed = failed.lock();
                            *failed = Some(failed.map_or(seed, |other: u64| other.min(seed)));
                        }
                    }
                });
            }
        });
        failed.into_inner()
    }

    /// Puts each fault back, and says by which seed its worlds find it.
    #[allow(clippy::print_stdout, reason = "it is a program that reports")]
    pub(crate) fn find_faults(&self, from: u64, seeds: u64, jobs: u64) {
        for fault in FAULTS {
            let player = Self {
                program: self.program.clone(),
                library: self.library.clone(),
                fault: Some(fault.name.to_owned()),
                aim: fault.aim,
                strike: None,
            };
            let found = player.search(from, seeds, jobs, false);
            let by = found.and_then(|seed| violation(&player.play(seed, None, false).text));
            let seed = found.map_or_else(|| format!("not in {seeds}"), |seed| seed.to_string());
            println!("{}, worlds {}: {seed}, {}", fault.name, fault.aim.name(), by.unwrap_or_default());
        }
    }

    pub(crate) fn play(&self, seed: u64, kept: Option<&[usize]>, is_shown: bool) -> PlayedSimulation {
        let mut arguments = vec!["--play".to_owned(), seed.to_string()];
        arguments.extend(["--world".to_owned(), self.aim.name().to_owned()]);
        if let Some(kept) = kept {
            let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
            arguments.extend(["--keep".to_owned(), kept.join(",")]);
        }
        if let Some(strike) = &self.strike {
            arguments.extend(["--strike".to_owned(), strike.clone()]);
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
    pub(crate) fn report(&self, seed: u64, is_shown: bool) {
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
pub(crate) fn violation(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("violation"))?;
    Some(line.split(':').next().unwrap_or_default().to_owned())
}
