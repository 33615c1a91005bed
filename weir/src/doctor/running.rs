//! What the edges that run say: clocks that differ, and why pages are not shared.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::Patient;
use super::diagnosis::Diagnosis;
use crate::cli::EdgesArgs;
use crate::edges;
use crate::plane::Plane;

const PATIENCE: Duration = Duration::from_secs(5);
/// A difference of clocks that does no harm, beside the time of the question, in seconds.
const SKEW: f64 = 2.0;
/// Requests that a location has had, before anything is said of it.
const ENOUGH: u64 = 100;
/// The part of them that one reason must keep from being shared.
const MUCH: f64 = 0.2;

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Vec<Diagnosis>) {
    if patient.settings.edge.admin == "off" {
        return;
    }
    let args =
        EdgesArgs { admin: Vec::new(), only: false, token_file: None, config: patient.args.config.clone() };
    let found = match edges::find(&args) {
        Ok(found) => found,
        Err(error) => {
            let remedy = "start it, and ask again: the doctor then says what keeps pages from being shared";
            return findings
                .push(Diagnosis::note(format!("no running Weir was examined: {error:#}"), remedy));
        }
    };
    for edge in &found {
        examine_edge(edge, findings);
    }
}

fn examine_edge(edge: &Plane, findings: &mut Vec<Diagnosis>) {
    let asked = SystemTime::now();
    let Ok(reply) = edge.get("/api/v1/status", PATIENCE) else { return };
    let took = asked.elapsed().unwrap_or_default().as_secs_f64();
    let Ok(status) = serde_json::from_str::<Value>(&reply.body) else { return };
    let ours = asked.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    if let Some(theirs) = status["time"].as_f64()
        && (theirs - ours).abs() > SKEW + took
    {
        findings.push(Diagnosis::warning(
            "",
            format!(
                "the clock of the edge at {} is {:.1} s from this machine's",
                edge.address,
                theirs - ours
            ),
            "let both be kept by NTP (systemd-timesyncd, chrony)",
        ));
    }
    for location in status["locations"].as_array().into_iter().flatten() {
        findings.extend(spoilt(&edge.address, location));
    }
}

/// The reason that keeps most pages of a location from being shared, if they are many and it can be mended.
fn spoilt(edge: &str, location: &Value) -> Option<Diagnosis> {
    let requests: u64 = location["requests"].as_object()?.values().filter_map(Value::as_u64).sum();
    let reasons = location["reasons"].as_array()?.iter();
    let counted = reasons.filter_map(|reason| Some((reason["count"].as_u64()?, reason)));
    let mendable =
        counted.filter(|(_, reason)| reason["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    let (count, reason) = mendable.max_by_key(|(count, _)| *count)?;
    let part = count as f64 / requests.max(1) as f64;
    if requests < ENOUGH || part < MUCH {
        return None;
    }
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Some(Diagnosis::warning(
        "",
        format!(
            "{:.0} % of the requests to {} {} (edge {edge}) are not shared: {}: {}",
            part * 100.0,
            word(location, "site"),
            word(location, "location"),
            word(reason, "reason"),
            word(reason, "meaning")
        ),
        format!("{} `weir explain URL -H \"Cookie: …\"` names the cookie or field.", word(reason, "remedy")),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_spoils_the_hit_rate_is_told_if_it_is_much() {
        let location = |hits: u64, count: u64, remedy: &str| {
            json!({ "site": "example.com", "location": "/", "requests": { "hit": hits, "pass": count },
                "reasons": [{ "reason": "personal-cookie", "count": count, "meaning": "A cookie.", "remedy": remedy }] })
        };
        let told = spoilt("e", &location(60, 40, "ignore it.")).unwrap();
        assert!(told.what.contains("40 % of the requests to example.com / (edge e)"), "{}", told.what);
        assert!(told.remedy.starts_with("ignore it."));
        for (hits, count, remedy) in [(95, 5, "x"), (10, 40, "x"), (60, 40, "")] {
            assert!(spoilt("e", &location(hits, count, remedy)).is_none(), "{hits} {count} {remedy}");
        }
    }
}
