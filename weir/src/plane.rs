//! The admin listener of a running weir or edge, as the command line finds it: its address and its token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use admin::client::{self, Lines, LinesRefusal, Reply};
use admin::token;
use anyhow::{Context, bail, ensure};
use process::directory;

use crate::settings;

/// The admin address of `weir serve`, and the default in a settings file.
const USUAL_ADMIN: &str = "127.0.0.1:9900";
/// The settings file that is used if none is named.
pub(crate) const USUAL_FILE: &str = "weir.toml";

/// What the flags say about it.
pub(crate) struct Flags<'a> {
    pub(crate) admin: Option<&'a str>,
    pub(crate) token_file: Option<&'a Path>,
    /// `--config`, if it was given.
    pub(crate) config: Option<&'a Path>,
}

#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) address: String,
    token: Option<String>,
    /// The token stands in a file that was named: it is for every edge.
    is_shared: bool,
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
        let is_shared = set.is_some();
        let token = match set {
            Some(file) => Some(read(&file)?),
            None => made_token(&address),
        };
        Ok(Self { address, token, is_shared })
    }

    /// Another edge of the same owner.
    pub(crate) fn at(&self, address: String) -> Self {
        let token =
            if self.is_shared || address == self.address { self.token.clone() } else { made_token(&address) };
        Self { address, token, is_shared: self.is_shared }
    }

    pub(crate) fn get(&self, path: &str, patience: Duration) -> anyhow::Result<Reply> {
        client::get_as(&self.address, path, self.token.as_deref(), patience).with_context(|| self.silence())
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// An answer that goes on.
    pub(crate) fn lines(&self, path: &str, patience: Duration) -> Result<Lines, LinesRefusal> {
        client::lines(&self.address, path, self.token.as_deref(), patience)
    }

    fn silence(&self) -> String {
        format!("nothing answers at {}; check that weir is running", self.address)
    }

    #[cfg(test)]
    pub(crate) fn named(address: &str) -> Self {
        Self { address: address.to_owned(), token: None, is_shared: false }
    }

    pub(crate) fn post(&self, path: &str, json: &str, patience: Duration) -> anyhow::Result<Reply> {
        client::post_as(&self.address, path, json, self.token.as_deref(), patience)
            .with_context(|| self.silence())
    }
}

/// The one that a process has written; the file may belong to another user.
fn made_token(address: &str) -> Option<String> {
    token::find(address).and_then(|file| read(&file).ok())
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
