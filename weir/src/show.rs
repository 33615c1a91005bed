//! `weir show`: the settings in force, each with where it comes from; and the built-in lists, as people read
//! them.

mod flags;
mod lists;
mod secrets;
mod setting;
mod walk;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use process::directory;
use process::settings::Settings;

use crate::cli::ShowArgs;
use crate::plane::USUAL_FILE;
use crate::serve;
use crate::settings::{self, ServiceSettings};
use setting::{ShownSetting, ValueOrigin};
use walk::Walk;

/// What a list of settings from flags is called in mistakes.
const FLAGS: &str = "the flags of weir serve";

pub(crate) fn show(args: &ShowArgs) -> Result<ExitCode> {
    match args.what.as_deref() {
        Some("fields") => lists::fields(args.json),
        Some("cookies") => lists::cookies(args.json),
        Some("query") => lists::query(args),
        prefix => in_force(args, prefix.unwrap_or_default()),
    }
}

fn in_force(args: &ShowArgs, prefix: &str) -> Result<ExitCode> {
    let settings = match load(args)? {
        Ok(settings) => settings,
        Err(mistakes) => {
            eprint!("{mistakes}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let shown: Vec<_> = settings.into_iter().filter(|setting| setting.is_below(prefix)).collect();
    if shown.is_empty() {
        bail!("there is no setting `{prefix}`, and no list of this name: fields, cookies, query");
    }
    let mut out = io::stdout().lock();
    if args.json {
        let list: Vec<_> = shown.iter().map(ShownSetting::json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&list)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = shown.iter().map(ShownSetting::width).filter(|width| *width <= 72).max().unwrap_or_default();
    for setting in &shown {
        setting.write(&mut out, width)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All settings, or the mistakes in them.
pub(super) fn load(args: &ShowArgs) -> Result<Result<Vec<ShownSetting>, String>> {
    if !args.serve.is_empty() {
        return from_flags(&args.serve, args.all);
    }
    let file = args.config.as_deref().unwrap_or_else(|| Path::new(USUAL_FILE));
    if args.config.is_none() && !file.exists() {
        bail!(
            "there is no {USUAL_FILE} here; name the file by --config, or the flags of `weir serve` after --"
        );
    }
    let file = directory::enter(file);
    let loaded = match settings::load(&file) {
        Ok(loaded) => loaded,
        Err(mistakes) => return Ok(Err(mistakes.to_string())),
    };
    match Settings::load(Some(&file), std::env::vars()) {
        Ok(settings) => Ok(Ok(all(&settings, loaded, args.all))),
        Err(mistakes) => Ok(Err(mistakes.to_string())),
    }
}

fn from_flags(arguments: &[String], with_all: bool) -> Result<Result<Vec<ShownSetting>, String>> {
    let text = serve::settings_of(arguments)?;
    let loaded = match settings::load_text(FLAGS, &text) {
        Ok(loaded) => loaded,
        Err(mistakes) => return Ok(Err(mistakes.to_string())),
    };
    let settings = match Settings::load_text(FLAGS, &text, std::env::vars()) {
        Ok(settings) => settings,
        Err(mistakes) => return Ok(Err(mistakes.to_string())),
    };
    let mut shown = all(&settings, loaded, with_all);
    for setting in &mut shown {
        if matches!(setting.origin, ValueOrigin::File { .. }) {
            setting.origin = flags::origin(&setting.path, arguments);
        }
    }
    Ok(Ok(shown))
}

fn all(settings: &Settings, mut loaded: ServiceSettings, with_all: bool) -> Vec<ShownSetting> {
    let mut shown = Walk::new(settings, with_all).all();
    if settings.has(settings::MEMORY) {
        let from = settings.origin(settings::MEMORY);
        for (path, bytes) in crate::memory::shares(&mut loaded) {
            let setting = shown.iter_mut().find(|setting| setting.path == path);
            if let Some(setting) = setting.filter(|setting| setting.origin == ValueOrigin::Default) {
                setting.value = Some(i64::try_from(bytes).unwrap_or(i64::MAX).into());
                setting.origin = ValueOrigin::Share(Box::new(from.clone().into()));
            }
        }
    }
    shown
}
