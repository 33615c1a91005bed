//! `weir check FILE`: prints everything that is wrong with a settings file, one line each.

use std::path::Path;
use std::process::ExitCode;

use edge::settings::{ErrorLogConfig, LocationConfig, LogConfig};
use process::directory;
use process::settings::Mistakes;

use crate::cli::CheckArgs;
use crate::settings::{self, ServiceSettings};

pub(crate) fn file(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    match settings::load_and_check(&directory::enter(args.file()), directories) {
        Ok(_) => {
            eprintln!("{}: no mistakes", args.file().display());
            Ok(ExitCode::SUCCESS)
        }
        Err(mistakes) => {
            eprint!("{mistakes}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Reports directories and files that are not there. A server starts without them: they may be made later.
fn directories(loaded: &ServiceSettings, mistakes: &mut Mistakes) {
    let edge = &loaded.edge;
    edge::check_state(edge, mistakes);
    log_directory("edge.access_log_to", &edge.access_log_to, mistakes);
    for (at, log) in edge.logs.iter().enumerate() {
        log_directory(&format!("edge.logs[{at}].to"), &log.to, mistakes);
    }
    for (index, site) in edge.site.iter().enumerate() {
        let path = format!("edge.site[{index}]");
        if let Some(root) = &site.root {
            exists(format!("{path}.root"), root.source(), mistakes);
        }
        logs_of(&path, site.logs.as_deref(), site.error_log.as_deref(), mistakes);
        locations(&path, &site.location, mistakes);
    }
}

fn locations(path: &str, all: &[LocationConfig], mistakes: &mut Mistakes) {
    for (at, location) in all.iter().enumerate() {
        let path = format!("{path}.location[{at}]");
        for (key, place) in [("root", &location.root), ("alias", &location.alias)] {
            if let Some(place) = place {
                exists(format!("{path}.{key}"), place.source(), mistakes);
            }
        }
        logs_of(&path, location.logs.as_deref(), location.error_log.as_deref(), mistakes);
        locations(&path, &location.location, mistakes);
    }
}

fn logs_of(
    path: &str,
    logs: Option<&[LogConfig]>,
    error_logs: Option<&[ErrorLogConfig]>,
    mistakes: &mut Mistakes,
) {
    for (at, log) in logs.unwrap_or_default().iter().enumerate() {
        log_directory(&format!("{path}.logs[{at}].to"), &log.to, mistakes);
    }
    for (at, log) in error_logs.unwrap_or_default().iter().enumerate() {
        log_directory(&format!("{path}.error_log[{at}].to"), &log.to, mistakes);
    }
}

/// A place with a variable is another one for each request.
fn exists(path: String, place: &str, mistakes: &mut Mistakes) {
    if !place.contains('$') && !Path::new(place).exists() {
        mistakes.push(path, format!("`{place}` does not exist"));
    }
}

/// The file of a log can only be made in a directory that is there.
fn log_directory(path: &str, to: &str, mistakes: &mut Mistakes) {
    let is_file = !to.contains('$') && !to.starts_with("syslog:");
    let directory = Path::new(to).parent().filter(|directory| is_file && !directory.as_os_str().is_empty());
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        mistakes.push(path, format!("the directory `{}` does not exist", directory.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_reported_and_a_variable_is_not() {
        let directory = std::env::temp_dir().join(format!("weir-check-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("there")).unwrap();
        let here = directory.display();
        let text = format!(
            "[edge]\naccess_log_to = \"{here}/logs/a.log\"\n[[edge.site]]\n[[edge.site.location]]\nmatch = \"/a/\"\n\
             alias = \"{here}/there\"\n[[edge.site.location]]\nmatch = \"/b/\"\nroot = \"{here}/missing\"\n\
             logs = [{{ to = \"{here}/logs/b.log\" }}, {{ to = \"{here}/c.log\" }}]\n"
        );
        let file = directory.join("weir.toml");
        std::fs::write(&file, text).unwrap();
        let mistakes =
            settings::load_and_check(&file, directories).err().map(|mistakes| mistakes.to_string());
        let started = settings::load(&file).is_ok();
        let _ = std::fs::remove_dir_all(&directory);
        let mistakes = mistakes.unwrap();
        assert!(mistakes.contains(":9: edge.site[0].location[1].root: "), "{mistakes}");
        assert!(mistakes.contains(":2: edge.access_log_to: "), "{mistakes}");
        assert!(mistakes.contains(":10: edge.site[0].location[1].logs[0].to: "), "{mistakes}");
        assert_eq!(mistakes.lines().count(), 3, "{mistakes}");
        assert!(started, "it may start all the same");
    }
}
