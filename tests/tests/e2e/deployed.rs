//! The settings files that deploy/ ships are taken by the programs that will read them.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use weir_tests::{Certificate, binary, repository};

#[test]
fn settings_that_are_shipped_are_right() {
    let directory = TempDir::new().unwrap();
    let Certificate { certificate, key, .. } = Certificate::write(directory.path(), &["edge"]);
    let check = ("weir", &["check"][..]);
    // It has no site, which `weir check` would miss. That no node runs is all that is wrong.
    let ask = ("cache-node", &["healthcheck", "--config"][..]);
    let (none, pool) = ([].as_slice(), [variable("kubernetes/components/adapter-deployment/adapter.yaml")]);
    for (name, (program, arguments), variables) in [
        ("compose/weir.toml", check, none),
        ("kubernetes/base/weir.toml", check, none),
        ("kubernetes/base/weir.toml", check, &pool),
        ("kubernetes/overlays/prod/weir.toml", check, none),
        ("kubernetes/overlays/prod/cache-node.toml", ask, none),
    ] {
        let settings = fs::read_to_string(repository().join("deploy").join(name)).unwrap();
        let settings = [
            ("/etc/tls/tls.crt", &certificate),
            ("/etc/tls/tls.key", &key),
            ("/etc/tls/ca.crt", &certificate),
            ("/etc/weir/admin-token", &key),
            ("/etc/weir-admin/token", &key),
        ]
        .iter()
        .fold(settings, |settings, (mounted, file)| settings.replace(mounted, &file.display().to_string()));
        let file = directory.path().join("weir.toml");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(binary(program));
        command.args(arguments).arg(&file).envs(variables.iter().cloned());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        // The directories are those of the containers.
        let elsewhere = |line: &str| line.ends_with("does not exist");
        let wrong = said.lines().filter(|line| !elsewhere(line)).collect::<Vec<_>>().join("\n");
        let is_right = output.status.success() || wrong.is_empty() && said.lines().any(elsewhere);
        assert!(is_right || said.contains("nothing answers at"), "{name}: {said}");
    }
}

/// The one that a manifest sets: `- name: NAME`, then `value: 'VALUE'`.
fn variable(manifest: &str) -> (String, String) {
    let text = fs::read_to_string(repository().join("deploy").join(manifest)).unwrap();
    let mut lines = text.lines().map(str::trim);
    let name = lines.find_map(|line| line.strip_prefix("- name: WEIR__")).unwrap();
    let value = lines.next().and_then(|line| line.strip_prefix("value: '")?.strip_suffix('\'')).unwrap();
    (format!("WEIR__{name}"), value.to_owned())
}
