//! `weir check FILE`: prints everything that is wrong with a settings file, one line each.

use std::process::ExitCode;

use crate::cli::CheckArgs;
use crate::settings;

pub(crate) fn file(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    match settings::load(&args.file) {
        Ok(_) => {
            eprintln!("{}: no mistakes", args.file.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(mistakes) => {
            eprint!("{mistakes}");
            Ok(ExitCode::FAILURE)
        }
    }
}
