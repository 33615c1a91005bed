//! `weir nginx-import nginx.conf`: prints the same as weir.toml.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use nginx_front::{Verdict, translate};

use super::arguments::Arguments;
use super::files;
use crate::cli::ImportArgs;

/// Prints the settings, with what is not done as comments before them. Exit code 1 if the file cannot be
/// read, or if something that could change an answer is not done.
pub(crate) fn print(arguments: &ImportArgs) -> anyhow::Result<ExitCode> {
    let read = Arguments {
        file: Some(std::path::absolute(&arguments.file)?.display().to_string()),
        prefix: arguments.prefix.clone(),
        microcache: arguments.microcache.clone(),
        envsubst: arguments.envsubst,
        ..Arguments::default()
    };
    let mut configuration = files::read(&read).map_err(anyhow::Error::msg)?;
    // Settings name directories that are there; nginx does not miss its own.
    let html = format!("{}html", configuration.options.prefix);
    configuration.options.has_default_root = Path::new(&html).is_dir();
    if !configuration.mistakes.is_empty() {
        for mistake in &configuration.mistakes {
            let hint = mistake.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            eprintln!("{mistake}{hint}");
        }
        return Ok(ExitCode::FAILURE);
    }
    let translation = translate(&configuration.parsed, &configuration.options);
    let mut out = std::io::stdout().lock();
    writeln!(out, "# {} as Weir's settings. Run it: weir run --config FILE", configuration.file)?;
    let mut code = ExitCode::SUCCESS;
    for note in &translation.notes {
        match &note.verdict {
            Verdict::NoEffect | Verdict::Done => continue,
            Verdict::NotDone { changes_answers: true, .. } => {
                code = ExitCode::FAILURE;
                eprintln!("{note}");
            }
            _ => {}
        }
        writeln!(out, "# {note}")?;
    }
    let unneeded = translation.notes.iter().filter(|note| note.verdict == Verdict::NoEffect);
    let mut names: Vec<_> = unneeded.map(|note| note.directive.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        writeln!(out, "# Of no effect here: {}", names.join(", "))?;
    }
    out.write_all(translation.toml.as_bytes())?;
    Ok(code)
}
