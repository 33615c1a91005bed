//! `weir explain URL`: asks the admin listener of a running weir what would happen to a request, and prints
//! it step by step.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::cli::ExplainArgs;
use crate::plane::{Flags, Plane};

/// How long to wait: the application is asked too.
const PATIENCE: Duration = Duration::from_secs(70);

#[derive(Deserialize)]
struct Explanation {
    url: String,
    steps: Vec<Step>,
    verdict: String,
    reason: Option<String>,
    status: Option<u16>,
    conclusion: String,
}

#[derive(Deserialize)]
struct Step {
    step: String,
    found: String,
    rule: String,
}

pub(crate) fn url(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        admin: args.admin.as_deref(),
        token_file: args.token_file.as_deref(),
        config: args.config.as_deref(),
    };
    let plane = Plane::find(&flags)?;
    let address = &plane.address;
    let question =
        serde_json::json!({ "url": args.url, "method": args.method, "fields": args.fields }).to_string();
    let reply = plane.post("/api/v1/explain", &question, PATIENCE)?;
    match reply.status {
        Some(200) => {}
        Some(400) => {
            eprintln!("weir: {}", reply.body.trim());
            return Ok(ExitCode::from(2));
        }
        _ => bail!("{address} cannot explain: {}", reply.body.trim()),
    }
    let explanation: Explanation = serde_json::from_str(&reply.body)
        .with_context(|| format!("{address} does not answer like a weir of this version"))?;
    print(&explanation);
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn print(explanation: &Explanation) {
    println!("{}", explanation.url);
    for Step { step, found, rule } in &explanation.steps {
        let rule = if rule.is_empty() { String::new() } else { format!("  [{rule}]") };
        println!("  {step}: {found}{rule}");
    }
    let reason = explanation.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let status = explanation.status.map(|status| format!(" {status}")).unwrap_or_default();
    println!("  verdict: {}{status}{reason}", explanation.verdict);
    println!("{}", explanation.conclusion);
}
