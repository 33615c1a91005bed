//! `weir reload` and `weir upgrade`: order a running weir or edge to take over its settings or a new program,
//! and print what became of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::cli::ControlArgs;
use crate::plane::{Flags, Plane};

/// A reload may look at many files.
const RELOAD: Duration = Duration::from_secs(60);
/// A new process may have to wait for its application's server.
const UPGRADE: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
struct ReloadAnswer {
    reloaded: bool,
    changed: Vec<Change>,
    at_next_start: Vec<Change>,
    #[serde(default)]
    mistakes: Vec<String>,
}

#[derive(Deserialize)]
struct Change {
    key: String,
    old: Option<String>,
    new: Option<String>,
}

#[derive(Deserialize)]
struct UpgradeAnswer {
    upgraded: bool,
    error: Option<String>,
}

pub(crate) fn reload(args: &ControlArgs) -> anyhow::Result<ExitCode> {
    let body = order(args, "/api/v1/reload", RELOAD)?;
    let answer: ReloadAnswer = serde_json::from_str(&body).with_context(|| body.trim().to_owned())?;
    print(args, &body, &answer.told());
    Ok(if answer.reloaded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn upgrade(args: &ControlArgs) -> anyhow::Result<ExitCode> {
    let body = order(args, "/api/v1/upgrade", UPGRADE)?;
    let answer: UpgradeAnswer = serde_json::from_str(&body).with_context(|| body.trim().to_owned())?;
    let told = match answer.error {
        Some(error) => format!("not upgraded: {error}"),
        None => "upgraded: the new process serves, the old one drains".to_owned(),
    };
    print(args, &body, told.trim());
    Ok(if answer.upgraded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn order(args: &ControlArgs, path: &str, patience: Duration) -> anyhow::Result<String> {
    let flags = Flags {
        admin: args.admin.as_deref(),
        token_file: args.token_file.as_deref(),
        config: args.config.as_deref(),
    };
    let plane = Plane::find(&flags)?;
    let reply = plane.post(path, "", patience)?;
    match reply.status {
        Some(200 | 422 | 500) => Ok(reply.body),
        Some(404) => bail!("{} knows no {path}: an older program runs there; restart it", plane.address),
        _ => bail!("{} refused: {}", plane.address, reply.body.trim()),
    }
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn print(args: &ControlArgs, json: &str, text: &str) {
    println!("{}", if args.json { json.trim() } else { text });
}

impl ReloadAnswer {
    fn told(&self) -> String {
        if !self.reloaded {
            return format!("nothing has changed:\n{}", self.mistakes.join("\n"));
        }
        let mut lines = vec![match self.changed.len() {
            0 => "reloaded: no setting has changed".to_owned(),
            1 => "reloaded: one setting has changed".to_owned(),
            count => format!("reloaded: {count} settings have changed"),
        }];
        lines.extend(self.changed.iter().map(|change| format!("  {}", change.told())));
        if !self.at_next_start.is_empty() {
            lines.push("take effect at the next start, or by `weir upgrade`:".to_owned());
            lines.extend(self.at_next_start.iter().map(|change| format!("  {}", change.told())));
        }
        lines.join("\n")
    }
}

impl Change {
    fn told(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        format!("{}: {} → {}", self.key, text(&self.old), text(&self.new))
    }
}
