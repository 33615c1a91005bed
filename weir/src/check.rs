//! `weir check FILE`: prints everything that is wrong with a settings file, one line each.

use std::path::Path;
use std::process::ExitCode;

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
    edge::check_state(&loaded.edge, mistakes);
    let mut needs = |path: String, place: &str| {
        // A place with a variable is another one for each request.
        if !place.contains('$') && !Path::new(place).exists() {
            mistakes.push(path, format!("`{place}` does not exist"));
        }
    };
    for (index, site) in loaded.edge.site.iter().enumerate() {
        if let Some(root) = &site.root {
            needs(format!("edge.site[{index}].root"), root.source());
        }
        for (at, location) in site.location.iter().enumerate() {
            let path = format!("edge.site[{index}].location[{at}]");
            for (key, place) in [("root", &location.root), ("alias", &location.alias)] {
                if let Some(place) = place {
                    needs(format!("{path}.{key}"), place.source());
                }
            }
        }
    }
    let log = &loaded.edge.access_log_to;
    let directory = Path::new(log).parent().filter(|directory| !directory.as_os_str().is_empty());
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        mistakes
            .push("edge.access_log_to", format!("the directory `{}` does not exist", directory.display()));
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
             alias = \"{here}/there\"\n[[edge.site.location]]\nmatch = \"/b/\"\nroot = \"{here}/missing\"\n"
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
        assert_eq!(mistakes.lines().count(), 2, "{mistakes}");
        assert!(started, "it may start all the same");
    }
}
