//! deploy/demo, the real Django site, on uWSGI with a state of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Uwsgi, program, repository};

pub struct Demo;

impl Demo {
    /// Serves it under wsgiref's validator. Each call has its own database. It sends no purges: another Weir
    /// may listen at the usual address.
    pub fn serve() -> Uwsgi {
        let directory = repository().join("deploy/demo").display().to_string();
        let arguments =
            ["--chdir", directory.as_str(), "--module", "millrace.wsgi", "--socket-timeout", "30"];
        Uwsgi::with_state(
            &arguments,
            &[("WEIR_DEMO_VALIDATE", "1"), ("WEIR_ADMIN", "off")],
            "WEIR_DEMO_STATE",
            prepared(),
        )
    }

    /// Adds a user, whose password is their name, to the database that this one serves.
    pub fn add_user(served: &Uwsgi, name: &str) {
        let code = format!(
            "from django.contrib.auth.models import User; User.objects.create_user('{name}', password='{name}')"
        );
        manage(&served.state(), &["shell", "-c", &code]);
    }

    /// Where collectstatic put the static files.
    pub fn static_files() -> PathBuf {
        prepared().join("static")
    }
}

/// The seeded site: migrated, compiled and collected once, kept beside the build for the next run.
fn prepared() -> &'static Path {
    static STATE: OnceLock<PathBuf> = OnceLock::new();
    STATE.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        let state = target.join("tmp/demo");
        fs::create_dir_all(&state).unwrap();
        manage(&state, &["prepare"]);
        state
    })
}

fn manage(state: &Path, arguments: &[&str]) {
    let mut python = Command::new(program::find("WEIR_PYTHON", "python"));
    python.arg(repository().join("deploy/demo/manage.py")).args(arguments);
    let done = python.env("WEIR_DEMO_STATE", state).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    assert!(done.status.success(), "manage.py {arguments:?}:\n{}", String::from_utf8_lossy(&done.stderr));
}
