//! From a file that was read to settings that can run, with all that is to be said of it.

use nginx_front::{Note, Program, Translation, Verdict, translate};

use super::files::Configuration;
use super::{lenient, wording};
use crate::settings::{self, ServiceSettings};

/// What became of a file.
pub(super) struct LoadReport {
    /// Lines for the terminal: a level in brackets, then what is wrong.
    errors: Vec<String>,
    warnings: Vec<String>,
    notes: Vec<Note>,
    program: Program,
    loaded: Option<ServiceSettings>,
}

/// Translates a file. `lenient`: what is not done is a warning only.
pub(super) fn settings(configuration: &Configuration, lenient: bool) -> LoadReport {
    let mistakes = &configuration.mistakes;
    let mut errors: Vec<String> = Vec::new();
    for mistake in mistakes {
        let hint = mistake.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        // nginx's line first, as it is: scripts compare it.
        errors.push(format!("[emerg] {mistake}"));
        errors.extend((!hint.is_empty()).then(|| format!("[notice] {}{hint}", mistake_place(mistake))));
    }
    if !errors.is_empty() {
        let (warnings, notes, program) = (Vec::new(), Vec::new(), Program::default());
        return LoadReport { errors, warnings, notes, program, loaded: None };
    }
    let Translation { toml, notes, program } = translate(&configuration.parsed, &configuration.options);
    let mut warnings = Vec::new();
    for note in &notes {
        match &note.verdict {
            Verdict::NotDone { changes_answers: true, .. }
                if !lenient || lenient::decides_who_may_ask(&note.directive) =>
            {
                errors.push(format!("[emerg] {note}"))
            }
            Verdict::NotDone { .. } | Verdict::Trap(_) => warnings.push(format!("[warn] {note}")),
            _ => {}
        }
    }
    let loaded = match settings::load_text("nginx.conf", &toml) {
        Ok(loaded) => Some(loaded),
        Err(mistakes)
            if (lenient || mistakes.to_string().lines().all(lenient::shows_when_asked))
                && let Some(left) = lenient::load(&toml, &mistakes.to_string()) =>
        {
            warnings.extend(left.without.iter().map(|line| format!("[warn] {}", with_origin(line, &toml))));
            Some(left.loaded)
        }
        Err(mistakes) => {
            let text = mistakes.to_string();
            errors.extend(text.lines().map(|line| format!("[emerg] {}", with_origin(line, &toml))));
            None
        }
    };
    if !errors.is_empty() && !lenient {
        let instead = "a file with something that is not done starts with --lenient only";
        errors.extend(loaded.is_some().then(|| format!("[notice] {instead}")));
    }
    LoadReport { errors, warnings, notes, program, loaded }
}

fn mistake_place(mistake: &nginx_conf::Mistake) -> String {
    format!("line {}, column {}:", mistake.line, mistake.column)
}

/// A mistake in the settings, `nginx.conf:12: edge.site[0]…: text`, with the line of the nginx.conf that the
/// twelfth line of the settings names.
fn with_origin(line: &str, toml: &str) -> String {
    let mut parts = line.splitn(3, ':');
    let number = parts.nth(1).and_then(|number| number.parse::<usize>().ok());
    let (Some(number), Some(text)) = (number, parts.next()) else { return line.to_owned() };
    let lines: Vec<&str> = toml.lines().take(number).collect();
    let origin = lines.iter().rev().find_map(|line| {
        let remark = line.get(line.rfind("# ")? + 2..)?;
        // What it means may follow, and some say only why.
        let origin = remark.split(": ").next()?;
        let number = origin.rsplit_once(':')?.1;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(origin)
    });
    let text = wording::of(text.trim());
    match origin {
        Some(origin) => format!("{text} in {origin}"),
        None => text,
    }
}

impl LoadReport {
    pub(super) fn is_wrong(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Everything that is to be said, the errors first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &String> {
        self.errors.iter().chain(&self.warnings)
    }

    /// One line on all directives.
    pub(super) fn count(&self) -> String {
        let count =
            |is: &dyn Fn(&Verdict) -> bool| self.notes.iter().filter(|note| is(&note.verdict)).count();
        let missing = count(&|verdict| matches!(verdict, Verdict::NotDone { .. }));
        let unneeded = count(&|verdict| matches!(verdict, Verdict::NoEffect));
        let done = self.notes.len() - missing - unneeded;
        format!("{done} directives are done, {unneeded} have no effect here, {missing} are not done")
    }

    /// What the file says of the process; the first line of what is wrong, if the file cannot be read.
    pub(super) fn into_program(self) -> Result<Program, String> {
        match self.loaded.is_some() || !self.notes.is_empty() {
            true => Ok(self.program),
            false => Err(self.errors.into_iter().next().unwrap_or_default()),
        }
    }

    /// What is needed to run, if nothing is wrong.
    pub(super) fn into_running(self) -> Option<(ServiceSettings, Program)> {
        if self.errors.is_empty() { Some((self.loaded?, self.program)) } else { None }
    }
}
