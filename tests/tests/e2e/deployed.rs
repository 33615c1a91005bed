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
    for (name, (program, arguments)) in [
        ("compose/weir.toml", check),
        ("kubernetes/base/weir.toml", check),
        ("kubernetes/overlays/prod/weir.toml", check),
        ("kubernetes/overlays/prod/cache-node.toml", ask),
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
        let output = Command::new(binary(program)).args(arguments).arg(&file).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() || said.contains("nothing answers at"), "{name}: {said}");
    }
}
