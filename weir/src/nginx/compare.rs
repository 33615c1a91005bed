//! `weir nginx --compare`: asks nginx and Weir the same, with the same file, and prints where they differ.
//!
//! Both are started on free ports from a copy of the file (`copy`, `twins`), unless `--against` names an
//! nginx that runs already. The requests are made from the file (`questions`) or read from a list or an
//! access log (`recorded`). Where they differ, nginx is asked once more: what differs between its own two
//! answers is no difference (`crates/side-by-side`).

mod client;
mod copy;
mod example;
mod questions;
mod recorded;
mod target;
mod twins;
mod words;

use std::process::ExitCode;

use super::arguments::{Arguments, CompareArguments};
use super::files::Configuration;
use super::load;
use side_by_side::{Comparison, Difference, Probe, Reply};
use twins::Twins;

/// Nothing could be compared.
const CODE_NOT_ASKED: u8 = 2;
/// Differences that are printed in full; the rest is counted.
const MOST_PRINTED: usize = 200;

/// Compares, and says what differs. Exit code 0: nothing but what is meant to; 1: something; 2: the two could
/// not be asked.
pub(super) fn run(arguments: &Arguments, compare: &CompareArguments, file: &Configuration) -> ExitCode {
    let report = load::settings(file, arguments.lenient);
    if report.is_wrong() {
        report.lines().for_each(|line| eprintln!("nginx: {line}"));
        return ExitCode::from(CODE_NOT_ASKED);
    }
    match compared(arguments, compare, file) {
        Ok(code) => code,
        Err(text) => {
            eprintln!("weir: {text}");
            ExitCode::from(CODE_NOT_ASKED)
        }
    }
}

fn compared(
    arguments: &Arguments,
    compare: &CompareArguments,
    file: &Configuration,
) -> Result<ExitCode, String> {
    let servers = target::servers(file);
    let twins = Twins::start(arguments, compare, file)?;
    let probes = match &compare.requests {
        Some(list) => recorded::read(list, &servers, compare.all_methods)?,
        None => questions::made(&servers, compare.all_methods),
    };
    let asked: Vec<&Probe> = probes.iter().filter(|probe| twins.reaches(probe)).collect();
    if asked.is_empty() {
        return Err("there is nothing to ask: no server of the file listens where nginx is asked".to_owned());
    }
    let mut total = Total::default();
    for probe in asked {
        total.add(probe, &ask(&twins, probe)?);
    }
    Ok(total.finish())
}

/// The answers to one request.
struct Answers {
    nginx: Option<Reply>,
    weir: Option<Reply>,
    /// nginx's second answer, to a request that changes nothing, if the first ones differ.
    again: Option<Reply>,
}

impl Answers {
    fn differences(&self, probe: &Probe) -> Vec<Difference> {
        let comparison = Comparison {
            probe,
            nginx: self.nginx.as_ref(),
            weir: self.weir.as_ref(),
            again: self.again.as_ref(),
            is_decoded: false,
        };
        comparison.differences()
    }
}

/// Asks both, and once more where they differ. An answer that does not come is one too: `return 444` gives
/// none. Both are asked equally often, for what they count (`limit_req`).
fn ask(twins: &Twins, probe: &Probe) -> Result<Answers, String> {
    let (nginx, weir) = (twins.nginx(probe)?, twins.weir(probe)?);
    let mut answers = Answers { again: nginx.clone(), nginx, weir };
    if probe.is_safe() && !answers.differences(probe).is_empty() {
        answers.again = twins.nginx(probe)?;
        twins.weir(probe)?;
    }
    Ok(answers)
}

/// What came of all requests.
#[derive(Default)]
struct Total {
    same: usize,
    different: usize,
    /// Intended differences by name, each with how often it was seen.
    intended: Vec<(&'static str, usize)>,
    without_application: usize,
}

impl Total {
    fn add(&mut self, probe: &Probe, answers: &Answers) {
        let Answers { nginx, weir, .. } = answers;
        let is_gone =
            |reply: &Option<Reply>| matches!(reply, Some(reply) if matches!(reply.status, 502 | 504));
        self.without_application += usize::from(is_gone(nginx) && is_gone(weir));
        let found = answers.differences(probe);
        for name in found.iter().filter_map(|difference| difference.intended) {
            match self.intended.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => self.intended.push((name, 1)),
            }
        }
        let left: Vec<&Difference> = found.iter().filter(|found| found.intended.is_none()).collect();
        if left.is_empty() {
            self.same += 1;
            return;
        }
        self.different += 1;
        if self.different <= MOST_PRINTED {
            print(probe, &left);
        }
    }

    #[expect(clippy::print_stdout, reason = "it is what was asked for")]
    fn finish(self) -> ExitCode {
        let Self { same, different, intended, without_application } = self;
        if different > MOST_PRINTED {
            println!("and {} more", different - MOST_PRINTED);
        }
        println!("{} requests: {same} answered alike, {different} differ", same + different);
        for (name, count) in intended {
            println!("as intended, {count} times: {name}");
        }
        if without_application > 0 {
            println!(
                "{without_application} times no application answered (502, 504): start it to compare more"
            );
        }
        if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn print(probe: &Probe, differences: &[&Difference]) {
    println!("{probe}");
    for Difference { what, nginx, weir, .. } in differences {
        println!("  {what}: nginx {nginx}, Weir {weir}");
    }
}
