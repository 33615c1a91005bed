//! `weir audit`: the crawler of the Python package, run by the Python that has it.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::cli::AuditArgs;
use crate::serve::python;

/// Without the package, one line that says what to do.
const AUDIT: &str = "import importlib.util, runpy, sys
if importlib.util.find_spec('weir_server') is None:
    sys.exit('weir: audit needs the package weir-server: pip install its wheel for ' + sys.executable)
runpy.run_module('weir_server', run_name='__main__', alter_sys=True)";

/// Becomes the crawler.
pub(crate) fn audit(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let python = python::find(None)?;
    let failed = Command::new(&python).args(["-c", AUDIT, "audit"]).args(&args.arguments).exec();
    Err(failed).with_context(|| format!("{} does not run", python.display()))
}
