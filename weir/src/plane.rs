//! The admin listener of a running weir or edge, as the command line finds it: its address and its token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use admin::client::{self, Reply};
use admin::token;
use anyhow::{Context, bail, ensure};
use process::directory;

use crate::settings;

/// The admin address of `weir serve`, and the default in a settings file.
const USUAL_ADMIN: &str = "127.0.0.1:9900";
/// The settings file that is used if none is named.
const USUAL_FILE: &str = "weir.toml";

/// What the flags say about it.
pub(crate) struct Flags<'a> {
    pub(crate) admin: Option<&'a str>,
    pub(crate) token_file: Option<&'a Path>,
    /// `--config`, if it was given.
    pub(crate) config: Option<&'a Path>,
}

pub(crate) struct Plane {
    pub(crate) address: String,
    token: Option<String>,
}

impl Plane {
    /// Uses the flags, and the settings file for what they leave out.
    pub(crate) fn find(flags: &Flags<'_>) -> anyhow::Result<Self> {
        // The flag's path begins where the program was started, those of the settings file at that file.
        let told = flags.token_file.map(std::path::absolute).transpose()?;
        let (address, token_file) = match flags.admin {
            Some(address) => (address.to_owned(), None),
            None => from_file(flags.config)?,
        };
        ensure!(address != "off", "edge.admin is off, so there is no admin listener; set it to an address");
        let set = told.or(token_file);
        let token = match set {
            Some(file) => Some(read(&file)?),
            // The file may belong to another user.
            None => token::find(&address).and_then(|file| read(&file).ok()),
        };
        Ok(Self { address, token })
    }

    pub(crate) fn post(&self, path: &str, json: &str, patience: Duration) -> anyhow::Result<Reply> {
        client::post_as(&self.address, path, json, self.token.as_deref(), patience)
            .with_context(|| format!("nothing answers at {}; check that weir is running", self.address))
    }
}

fn from_file(config: Option<&Path>) -> anyhow::Result<(String, Option<PathBuf>)> {
    let file = match config {
        Some(file) if !file.exists() => bail!("{}: this settings file does not exist", file.display()),
        Some(file) => file,
        None if !Path::new(USUAL_FILE).exists() => return Ok((USUAL_ADMIN.to_owned(), None)),
        None => Path::new(USUAL_FILE),
    };
    match settings::load(&directory::enter(file)) {
        Ok(loaded) => Ok((loaded.edge.admin, loaded.edge.admin_token_file)),
        Err(mistakes) => bail!("{}", mistakes.to_string().trim_end()),
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let token = std::fs::read_to_string(file).with_context(|| format!("token file {}", file.display()))?;
    Ok(token.trim().to_owned())
}
