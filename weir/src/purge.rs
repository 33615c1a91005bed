//! `weir purge`: asks a running edge for a purge, and prints who has acknowledged it and how long that took.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::cli::PurgeArgs;
use crate::plane::{Flags, Plane};

/// Longer than an edge ever waits.
const PATIENCE: Duration = Duration::from_secs(35);

#[derive(Serialize)]
struct PurgeBody<'a> {
    urls: &'a [String],
    prefixes: &'a [String],
    tags: &'a [String],
    all: bool,
    soft: bool,
}

#[derive(Deserialize)]
struct PurgeReport {
    complete: bool,
    acknowledged: Vec<String>,
    missing: Vec<String>,
    milliseconds: f64,
    #[serde(default)]
    details: Vec<String>,
}

#[derive(Deserialize)]
struct Mistake {
    error: String,
}

pub(crate) fn everywhere(args: &PurgeArgs) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        admin: args.admin.as_deref(),
        token_file: args.token_file.as_deref(),
        config: args.config.as_deref(),
    };
    let plane = Plane::find(&flags)?;
    let admin = &plane.address;
    let order = PurgeBody {
        urls: &args.url,
        prefixes: &args.prefix,
        tags: &args.tag,
        all: args.all,
        soft: args.soft,
    };
    let order = serde_json::to_string(&order)?;
    let called = plane.post("/api/v1/purge", &order, PATIENCE)?;
    if !matches!(called.status, Some(200 | 202)) {
        let why = serde_json::from_str(&called.body).map_or(called.body, |Mistake { error }| error);
        anyhow::bail!("{admin} refused the purge: {}", why.trim());
    }
    let outcome: PurgeReport =
        serde_json::from_str(&called.body).with_context(|| format!("{admin} does not answer like weir"))?;
    eprintln!("{}", outcome.told());
    Ok(if outcome.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl PurgeReport {
    fn told(&self) -> String {
        let names = self.acknowledged.join(", ");
        let acknowledged = match self.acknowledged.len() {
            0 => "nobody acknowledged".to_owned(),
            count => format!("{count} acknowledged ({names})"),
        };
        let mut text = match self.complete {
            true => format!("purged everywhere in {} ms: {acknowledged}", self.milliseconds),
            false => format!(
                "not complete after {} ms: missing {}; {acknowledged}",
                self.milliseconds,
                self.missing.join(", ")
            ),
        };
        for detail in &self.details {
            text.push_str("\n  ");
            text.push_str(detail);
        }
        text
    }
}
