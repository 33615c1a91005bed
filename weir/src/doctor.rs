//! `weir doctor`: what is misconfigured on this machine, and what to do about it.

mod certificates;
mod diagnosis;
mod files;
mod limits;
mod peers;
mod running;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use process::directory;
use process::settings::Settings;
use serde_json::json;

use crate::cli::DoctorArgs;
use crate::plane::USUAL_FILE;
use crate::settings::{self, ServiceSettings};
use diagnosis::{Diagnosis, Severity};

/// What is examined, in this order.
const EXAMINATIONS: [(&str, Examination); 6] = [
    ("application servers", peers::servers),
    ("Redis and clocks", peers::redis),
    ("files, logs and the token", files::examine),
    ("certificates", certificates::examine),
    ("limits of this process", limits::examine),
    ("running edges", running::examine),
];

type Examination = fn(&Patient<'_>, &mut Vec<Diagnosis>);

/// What is examined.
struct Patient<'a> {
    settings: &'a ServiceSettings,
    args: &'a DoctorArgs,
}

pub(crate) fn examine(args: &DoctorArgs) -> Result<ExitCode> {
    let file = args.config.as_deref().unwrap_or_else(|| Path::new(USUAL_FILE));
    if !file.exists() {
        anyhow::bail!("{}: this settings file does not exist; name it by --config", file.display());
    }
    let file = directory::enter(file);
    let loaded = match settings::load(&file) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            eprint!("{mistakes}");
            eprintln!("weir: the settings are wrong; the rest cannot be examined");
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut findings = Vec::new();
    for (_, examination) in EXAMINATIONS {
        examination(&Patient { settings: &loaded, args }, &mut findings);
    }
    if let Ok(settings) = Settings::load(Some(&file), std::env::vars()) {
        findings.iter_mut().for_each(|finding| finding.locate(&settings));
    }
    findings.sort_by_key(|finding| finding.severity);
    let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    print(&findings, args.json)?;
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(findings: &[Diagnosis], as_json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    let examined: Vec<_> = EXAMINATIONS.iter().map(|(name, _)| *name).collect();
    if as_json {
        let told = json!({ "examined": examined, "findings": findings });
        writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?;
        return Ok(());
    }
    for finding in findings {
        writeln!(out, "{finding}\n")?;
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    writeln!(
        out,
        "examined: {}\n{} wrong, {} doubtful",
        examined.join(", "),
        count(Severity::Error),
        count(Severity::Warning)
    )?;
    Ok(())
}
