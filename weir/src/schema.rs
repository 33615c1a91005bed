//! `weir schema`: the JSON Schema of the settings file, for editors.

use std::io::{self, Write};
use std::process::ExitCode;

pub(crate) fn print() -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string_pretty(&settings_doc::schema())?;
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
