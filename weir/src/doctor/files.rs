//! Whether this user may read the files that are served, write the logs, and nobody else reads the token.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Patient;
use super::diagnosis::Diagnosis;

/// Files below a directory that are looked at.
const SAMPLE: usize = 500;
/// Directories within each other that are looked at.
const DEEPEST: usize = 4;

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Vec<Diagnosis>) {
    if rustix::process::geteuid().is_root() {
        findings.push(Diagnosis::note(
            "root may read everything, so nothing is known of the permissions of files",
            "ask as the user of the service: sudo -u weir weir doctor --config FILE",
        ));
    }
    for (setting, directory) in served(patient) {
        if let Err(fault) = readable(&directory) {
            findings.push(Diagnosis::error(setting, fault.what, fault.remedy));
        }
    }
    for (setting, file) in logs(patient) {
        if let Err(fault) = writable(&file) {
            findings.push(Diagnosis::error(setting, fault.what, fault.remedy));
        }
    }
    let tokens = [
        ("edge.values_key_file", &patient.settings.edge.values_key_file),
        ("edge.admin_token_file", &patient.settings.edge.admin_token_file),
        ("cache_node.admin_token_file", &patient.settings.cache_node.admin_token_file),
        ("wsgi_adapter.admin_token_file", &patient.settings.wsgi_adapter.admin_token_file),
    ];
    for (setting, file) in tokens.into_iter().filter_map(|(setting, file)| Some((setting, file.as_deref()?)))
    {
        findings.extend(token(setting, file));
    }
}

struct FileFault {
    what: String,
    remedy: String,
}

/// Directories that files are served from, up to a variable, which differs from request to request.
fn served(patient: &Patient<'_>) -> Vec<(String, PathBuf)> {
    let mut served = Vec::new();
    let mut add = |setting: String, place: &str| {
        let fixed = match place.split_once('$') {
            None => Some(Path::new(place)),
            Some((before, _)) => before.rsplit_once('/').map(|(directory, _)| Path::new(directory)),
        };
        served
            .extend(fixed.filter(|path| !path.as_os_str().is_empty()).map(|path| (setting, path.to_owned())));
    };
    for (index, site) in patient.settings.edge.site.iter().enumerate() {
        if let Some(root) = &site.root {
            add(format!("edge.site[{index}].root"), root.source());
        }
        for (at, location) in site.location.iter().enumerate() {
            for (key, place) in [("root", &location.root), ("alias", &location.alias)] {
                if let Some(place) = place {
                    add(format!("edge.site[{index}].location[{at}].{key}"), place.source());
                }
            }
        }
    }
    served
}

fn logs(patient: &Patient<'_>) -> Vec<(String, PathBuf)> {
    let edge = &patient.settings.edge;
    let own = edge.logs.iter().enumerate().map(|(at, log)| (format!("edge.logs[{at}].to"), log.to.as_str()));
    let all = std::iter::once(("edge.access_log_to".to_owned(), edge.access_log_to.as_str())).chain(own);
    let is_file = |to: &str| {
        !["stdout", "stderr", "off"].contains(&to) && !to.starts_with("syslog:") && !to.contains('$')
    };
    all.filter(|(_, to)| is_file(to)).map(|(setting, to)| (setting, PathBuf::from(to))).collect()
}

/// Goes down from the root, so that it is told which directory on the way is closed; then looks at files.
fn readable(place: &Path) -> Result<(), FileFault> {
    let mut ancestors: Vec<_> = place.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    ancestors.reverse();
    for path in ancestors {
        let data = fs::metadata(path).map_err(|error| FileFault {
            what: format!("`{}` cannot be served: `{}`: {error}", place.display(), path.display()),
            remedy: match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "make the directory (Django: manage.py collectstatic)".to_owned()
                }
                _ => "let this user enter the directories above it (chmod o+x)".to_owned(),
            },
        })?;
        if data.is_dir() && access(path, Access::EXEC_OK).is_err() {
            return Err(closed(place, path, &data, "may not be entered", "x"));
        }
    }
    first_closed(place, place, &mut 0, 0).map_or(Ok(()), Err)
}

fn closed(place: &Path, path: &Path, data: &fs::Metadata, what: &str, wants: &str) -> FileFault {
    FileFault {
        what: format!(
            "`{}` cannot be served: `{}` {what} by this user (mode {:o}, owner {}:{})",
            place.display(),
            path.display(),
            data.permissions().mode() & 0o7777,
            data.uid(),
            data.gid()
        ),
        remedy: format!("chmod o+{wants} {}, or add this user to its group", path.display()),
    }
}

/// The first of the files below that may not be read.
fn first_closed(place: &Path, path: &Path, seen: &mut usize, depth: usize) -> Option<FileFault> {
    let data = fs::metadata(path).ok()?;
    if data.is_file() {
        let is_closed = access(path, Access::READ_OK).is_err();
        return is_closed.then(|| closed(place, path, &data, "may not be read", "r"));
    }
    if access(path, Access::EXEC_OK).is_err() {
        return Some(closed(place, path, &data, "may not be entered", "x"));
    }
    // Without the right to list it, its files may be served all the same.
    let mut entries = fs::read_dir(path).ok().filter(|_| depth < DEEPEST)?;
    entries.find_map(|entry| {
        *seen += 1;
        if *seen > SAMPLE { None } else { first_closed(place, &entry.ok()?.path(), seen, depth + 1) }
    })
}

fn writable(file: &Path) -> Result<(), FileFault> {
    let directory =
        file.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if !directory.is_dir() {
        return Err(FileFault {
            what: format!("the directory of the log, `{}`, does not exist", directory.display()),
            remedy: format!("mkdir {}, owned by the user of the service", directory.display()),
        });
    }
    let (path, what) = if file.exists() { (file, "written") } else { (directory, "written to") };
    if access(path, Access::WRITE_OK).is_err() {
        return Err(FileFault {
            what: format!("the log cannot be kept: `{}` may not be {what} by this user", path.display()),
            remedy: format!("chown it to the user of the service: chown weir {}", path.display()),
        });
    }
    Ok(())
}

fn token(setting: &str, file: &Path) -> Option<Diagnosis> {
    let shown = file.display();
    let data = match fs::metadata(file) {
        Ok(data) => data,
        Err(error) => {
            let remedy =
                format!("write a long random text into it: (umask 077; openssl rand -hex 32 > {shown})");
            return Some(Diagnosis::error(
                setting,
                format!("the token in `{shown}` cannot be read: {error}"),
                remedy,
            ));
        }
    };
    let mode = data.permissions().mode();
    if mode & 0o027 != 0 {
        let what = format!("the token in `{shown}` is open to others (mode {:o})", mode & 0o777);
        return Some(Diagnosis::error(setting, what, format!("chmod 640 {shown}, and make a new token")));
    }
    match fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => Some(Diagnosis::error(
            setting,
            format!("the token in `{shown}` is empty: nobody is let in"),
            "write one",
        )),
        Ok(_) => None,
        Err(error) => Some(Diagnosis::error(
            setting,
            format!("the token in `{shown}` cannot be read: {error}"),
            "let the user of the service read it: chgrp weir, chmod 640",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_missing_or_open_is_told_with_its_path() {
        let directory = std::env::temp_dir().join(format!("weir-doctor-{}", std::process::id()));
        fs::create_dir_all(directory.join("static/css")).unwrap();
        fs::write(directory.join("static/css/site.css"), "x").unwrap();
        assert!(readable(&directory.join("static")).is_ok());
        let missing = readable(&directory.join("media")).err().unwrap();
        assert!(
            missing.what.contains("weir-doctor-") && missing.remedy.contains("collectstatic"),
            "{}",
            missing.what
        );
        set_mode(&directory.join("static/css/site.css"), 0o000);
        let found = readable(&directory.join("static")).err();
        // Root may read it all the same.
        assert_eq!(found.is_none(), rustix::process::geteuid().is_root());
        if let Some(found) = found {
            assert!(found.what.contains("site.css` may not be read"), "{}", found.what);
        }
        let file = directory.join("token");
        fs::write(&file, "secret").unwrap();
        for (mode, is_right) in [(0o600, true), (0o640, true), (0o644, false), (0o660, false)] {
            set_mode(&file, mode);
            assert_eq!(token("edge.admin_token_file", &file).is_none(), is_right, "{mode:o}");
        }
        set_mode(&file, 0o600);
        fs::write(&file, " \n").unwrap();
        assert!(token("edge.admin_token_file", &file).unwrap().what.contains("is empty"));
        assert!(
            token("edge.admin_token_file", &directory.join("none")).unwrap().what.contains("cannot be read")
        );
        assert!(writable(&directory.join("logs/access.log")).err().unwrap().what.contains("does not exist"));
        assert!(writable(&directory.join("access.log")).is_ok());
        fs::remove_dir_all(&directory).unwrap();
    }
}
