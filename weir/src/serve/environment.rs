//! The environment of the application: weir's own, what `--env-file` adds, and what weir tells it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

#[derive(Default)]
pub(super) struct Environment {
    /// Read again for each start, so a reload takes over what has changed in it.
    pub(super) file: Option<PathBuf>,
    pub(super) told: Vec<(&'static str, OsString)>,
}

impl Environment {
    /// What stands in weir's own environment, or is set for the command already, stays.
    pub(super) fn give(&self, command: &mut Command) -> anyhow::Result<()> {
        for (name, value) in self.file.as_deref().map(read).transpose()?.unwrap_or_default() {
            let is_set = command.get_envs().any(|(set, _)| set == name.as_str());
            if !is_set && std::env::var_os(&name).is_none() {
                command.env(name, value);
            }
        }
        command.envs(self.told.iter().map(|(name, value)| (name, value)));
        Ok(())
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = fs::read_to_string(file).with_context(|| format!("--env-file {}", file.display()))?;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let variable = variable(line).with_context(|| {
            format!("{}:{}: not a variable; write NAME=value or NAME=\"a value\"", file.display(), number + 1)
        })?;
        found.push(variable);
    }
    Ok(found)
}

/// A line as systemd, Docker and python-dotenv read it, without `$NAME` in values and without values of
/// several lines.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || !name.bytes().all(is_name)
    {
        return None;
    }
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&value[1..], quote)?,
        _ => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
    };
    Some((name.to_owned(), value))
}

/// Up to the closing quote, after which nothing but a comment may stand. A backslash counts within `"` alone.
fn quoted(text: &str, quote: char) -> Option<String> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            end if end == quote => break,
            '\\' if quote == '"' => match rest.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    let after = rest.as_str().trim_start();
    (after.is_empty() || after.starts_with('#')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file() {
        for (line, value) in [
            ("A=b", Some("b")),
            ("A = b c # said", Some("b c")),
            ("export A=b#c", Some("b#c")),
            ("A=", Some("")),
            (r#"A="b \"c\"\n" # said"#, Some("b \"c\"\n")),
            (r"A='b\n $c'", Some(r"b\n $c")),
            ("A=postgres://u:p@h/d?a=b", Some("postgres://u:p@h/d?a=b")),
            ("A", None),
            ("=b", None),
            ("A b=c", None),
            ("1=c", None),
            ("A=\"b", None),
            ("A='b' c", None),
        ] {
            let expected = value.map(|value| ("A".to_owned(), value.to_owned()));
            assert_eq!(variable(line), expected, "{line}");
        }
    }

    #[test]
    fn a_mistake_names_its_line() {
        let file = std::env::temp_dir().join(format!("weir-env-file-{}", std::process::id()));
        fs::write(&file, "# said\nA=b\n\nfour\n").unwrap();
        let mistake = format!("{:#}", read(&file).unwrap_err());
        fs::remove_file(&file).unwrap();
        assert!(mistake.contains(":4: not a variable"), "{mistake}");
        assert!(format!("{:#}", read(&file).unwrap_err()).starts_with("--env-file /"));
    }
}
