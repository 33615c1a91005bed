//! The Python of the application, and what it knows of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::environment::Environment;

const PROBE: &str = include_str!("probe.py");
/// How long the application may take to be imported.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// Virtual environments in the working directory, by the names that people give them.
const USUAL: [&str; 3] = [".venv", "venv", "env"];

/// What `probe.py` found.
#[derive(Debug, Deserialize)]
pub(super) struct SiteProbe {
    pub(super) module: String,
    /// The application, or with `()` behind it the function that makes it.
    pub(super) callable: String,
    pub(super) asgi: bool,
    /// A name under which the site answers.
    pub(super) host: Option<String>,
    /// The servers that are installed as modules, with their versions.
    pub(super) servers: BTreeMap<String, String>,
    /// The program uwsgi.
    pub(super) uwsgi: Option<PathBuf>,
    pub(super) cores: u16,
    /// Which Python it is, for messages.
    pub(super) python: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Mistake { error: String },
    Found(Box<SiteProbe>),
}

/// The interpreter to use.
pub(crate) fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let active = std::env::var_os("VIRTUAL_ENV").map(|prefix| Path::new(&prefix).join("bin"));
    let beside = std::env::current_exe().ok().and_then(|weir| Some(weir.parent()?.to_owned()));
    let usual = USUAL.iter().map(|name| Path::new(name).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut tried = active.into_iter().chain(beside).chain(usual).map(|directory| directory.join("python"));
    let found = tried.find(|file| file.is_file());
    let found = found.or_else(|| {
        std::env::split_paths(&path).map(|entry| entry.join("python3")).find(|file| file.is_file())
    });
    // Not canonical: the name in its environment is what leads Python there.
    let found =
        found.context("no Python: activate the application's virtual environment, or name it by --python")?;
    Ok(std::path::absolute(found)?)
}

/// Imports the application, and says what it is. `error` is one line; a traceback has gone to stderr.
pub(super) fn probe(
    python: &Path,
    application: &str,
    environment: &Environment,
) -> anyhow::Result<SiteProbe> {
    let mut command = Command::new(python);
    command.args(["-c", PROBE, application]).stdin(Stdio::null()).stdout(Stdio::piped());
    environment.give(&mut command)?;
    let mut child = command.spawn().with_context(|| format!("{} does not run", python.display()))?;
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            bail!("{application} was not imported within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
    let mut text = String::new();
    if let Some(out) = &mut child.stdout {
        out.read_to_string(&mut text)?;
    }
    match serde_json::from_str(&text) {
        Ok(Answer::Found(found)) => Ok(*found),
        Ok(Answer::Mistake { error }) => bail!("{error}"),
        Err(_) => bail!("{application} ended Python while it was imported"),
    }
}
