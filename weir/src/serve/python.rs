//! The Python of the application, and what it knows of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::time::timeout;

use super::changes::Sources;
use super::environment::Environment;

const PROBE: &str = include_str!("probe.py");
/// How long the application may take to be imported.
const PATIENCE: Duration = Duration::from_secs(180);
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
    pub(super) sources: Sources,
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
pub(super) async fn probe(
    python: &Path,
    application: &str,
    environment: &Environment,
) -> anyhow::Result<SiteProbe> {
    let mut command = Command::new(python);
    command.args(["-c", PROBE, application]).stdin(Stdio::null()).stdout(Stdio::piped());
    environment.give(&mut command)?;
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn();
    let child = child.with_context(|| format!("{} does not run", python.display()))?;
    let Ok(ended) = timeout(PATIENCE, child.wait_with_output()).await else {
        bail!("{application} was not imported within {} s", PATIENCE.as_secs());
    };
    match serde_json::from_slice(&ended?.stdout) {
        Ok(Answer::Found(found)) => Ok(*found),
        Ok(Answer::Mistake { error }) => bail!("{error}"),
        Err(_) => bail!("{application} ended Python while it was imported"),
    }
}
