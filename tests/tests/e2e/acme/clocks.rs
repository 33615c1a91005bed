//! Machines whose clock is wrong, and is then set right.

use weir_tests::faketime;

use super::*;

const YEAR: i64 = 365 * 86_400;

/// A `weir` of its own by a clock file, without an application.
fn by_clock(pebble: &Pebble, directory: &Path, seconds: i64) -> Process {
    let clock = directory.join("weir.clock");
    faketime::make(&clock);
    faketime::set(&clock, seconds);
    let text = format!(
        "[edge]\nadmin = \"off\"\n{}\n[[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"127.0.0.1:1\"]\n",
        settings(pebble, "", &site(pebble, "\"a.test\"")).replace("$DIR", &directory.display().to_string())
    );
    let file = directory.join("weir.toml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(binary("weir"));
    command.args(["run", "--config"]).arg(&file).env("NO_COLOR", "1");
    faketime::obey(&mut command, &clock);
    let weir = Process::start("weir", &mut command, directory);
    weir.wait_until("serves", || std::net::TcpStream::connect(at(pebble.tls_port)).is_ok());
    weir
}

#[test]
fn a_clock_that_is_wrong_is_told_and_once_it_is_right_there_is_a_certificate() {
    for seconds in [YEAR, -YEAR] {
        let (pebble, directory) = (Pebble::start(LONG), tempfile::TempDir::new().unwrap());
        let weir = by_clock(&pebble, directory.path(), seconds);
        until("the log says why", || weir.log().contains("check this machine's clock").then_some(()));
        faketime::set(&directory.path().join("weir.clock"), 0);
        let trusting = pebble.client(&["http/1.1"]);
        weir.wait_until("shows a certificate", || {
            Client::over_tls(at(pebble.tls_port), "a.test", &trusting).is_ok()
        });
        assert!(!weir.log().contains("panicked at"));
    }
}

#[test]
fn a_clock_that_leaps_while_it_serves_breaks_nothing() {
    let (pebble, directory) = (Pebble::start(LONG), tempfile::TempDir::new().unwrap());
    let weir = by_clock(&pebble, directory.path(), 0);
    let trusting = pebble.client(&["http/1.1"]);
    let shown = || Client::over_tls(at(pebble.tls_port), "a.test", &trusting).is_ok();
    weir.wait_until("shows a certificate", shown);
    let clock = directory.path().join("weir.clock");
    // The clock shows a time after its end: it is renewed, in vain, and the old one is shown on, loudly.
    faketime::set(&clock, 2 * 86_400);
    until("the log says so", || weir.log().contains("the old one EXPIRED at").then_some(()));
    assert!(shown());
    // Back again, nothing is wrong.
    faketime::set(&clock, 0);
    let signed = pebble.signed();
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert!(shown() && pebble.signed() <= signed + 1);
}
