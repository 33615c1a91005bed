//! `weir explain URL`: asks the admin listener of a running weir what would become of a request, and prints
//! it step by step.

use std::process::ExitCode;
use std::time::Duration;

use admin::client;
use anyhow::{Context, bail};
use serde::Deserialize;

use crate::cli::ExplainArgs;
use crate::settings;

/// The application is asked for it.
const PATIENCE: Duration = Duration::from_secs(70);
/// Where `weir serve` listens, and a settings file that says nothing.
const USUAL_ADMIN: &str = "127.0.0.1:9900";

#[derive(Deserialize)]
struct Explanation {
    url: String,
    steps: Vec<Step>,
    conclusion: String,
}

#[derive(Deserialize)]
struct Step {
    step: String,
    found: String,
    rule: String,
}

pub(crate) fn url(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let address = match address(args) {
        Ok(address) => address,
        Err(mistakes) => {
            eprint!("{mistakes}");
            return Ok(ExitCode::FAILURE);
        }
    };
    if address == "off" {
        bail!("the settings have no admin listener to ask");
    }
    let question = serde_json::json!({ "url": args.url, "fields": args.fields }).to_string();
    let reply = client::post(&address, "/api/v1/explain", &question, PATIENCE)
        .with_context(|| format!("nothing answers at {address}"))?;
    match reply.status {
        Some(200) => {}
        Some(400) => {
            eprintln!("weir: {}", reply.body.trim());
            return Ok(ExitCode::from(2));
        }
        _ => bail!("{address} cannot explain: {}", reply.body.trim()),
    }
    let explanation: Explanation =
        serde_json::from_str(&reply.body).with_context(|| format!("{address} is no weir of this version"))?;
    print(&explanation);
    Ok(ExitCode::SUCCESS)
}

fn address(args: &ExplainArgs) -> Result<String, process::settings::Mistakes> {
    match &args.admin {
        Some(address) => Ok(address.clone()),
        None if args.file.config.exists() => Ok(settings::load(&args.file.config)?.edge.admin),
        None => Ok(USUAL_ADMIN.to_owned()),
    }
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn print(explanation: &Explanation) {
    println!("{}", explanation.url);
    for Step { step, found, rule } in &explanation.steps {
        let rule = if rule.is_empty() { String::new() } else { format!("  [{rule}]") };
        println!("  {step}: {found}{rule}");
    }
    println!("{}", explanation.conclusion);
}
