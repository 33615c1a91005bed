//! Whether the application servers and Redis answer, and whose clock is wrong.

use std::time::{Duration, SystemTime};

use wsgi_adapter::probe;

use super::Patient;
use super::diagnosis::Diagnosis;

/// A difference of clocks that does no harm, in seconds.
const SKEW: f64 = 2.0;
/// A file of the future by more than this was written by another clock.
const FUTURE: Duration = Duration::from_secs(120);

pub(super) fn servers(patient: &Patient<'_>, findings: &mut Vec<Diagnosis>) {
    for (at, pool) in patient.settings.wsgi_adapter.pool.iter().enumerate() {
        for (number, server) in pool.servers.iter().enumerate().filter(|(_, server)| !server.down) {
            if let Err(fault) = probe::probe(server, pool) {
                let setting = format!("wsgi_adapter.pool[{at}].servers[{number}]");
                findings.push(Diagnosis::error(
                    setting,
                    format!("pool `{}`: {}", pool.name, fault.what),
                    fault.remedy,
                ));
            }
        }
    }
}

pub(super) fn redis(patient: &Patient<'_>, findings: &mut Vec<Diagnosis>) {
    if let Some(ahead) = settings_of_the_future(patient) {
        findings.push(Diagnosis::warning(
            "",
            format!(
                "the settings file was changed {} s from now: this machine's clock is behind",
                ahead.as_secs()
            ),
            "set the clock, and let it be kept by NTP (systemd-timesyncd, chrony)",
        ));
    }
    let Some(redis) = &patient.settings.cache_node.redis else { return };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return findings.push(Diagnosis::note(format!("Redis was not asked: {error}"), "try again"));
        }
    };
    match runtime.block_on(cache_node::reach_redis(redis)) {
        Ok(ahead) if ahead.abs() > SKEW => findings.push(Diagnosis::warning(
            "cache_node.redis.url",
            format!("the clocks of Redis and of this machine are {:.1} s apart", ahead.abs()),
            "let both be kept by NTP (systemd-timesyncd, chrony)",
        )),
        Ok(_) => {}
        Err(error) => findings.push(Diagnosis::error(
            "cache_node.redis.url",
            format!("Redis cannot be used: {error}"),
            "start it, or correct url, user and password; until then each node works from its own memory",
        )),
    }
}

fn settings_of_the_future(patient: &Patient<'_>) -> Option<Duration> {
    let file =
        patient.args.config.as_deref().unwrap_or_else(|| std::path::Path::new(crate::plane::USUAL_FILE));
    let file = process::directory::enter(file);
    let changed = file.metadata().ok()?.modified().ok()?;
    changed.duration_since(SystemTime::now()).ok().filter(|ahead| *ahead > FUTURE)
}
