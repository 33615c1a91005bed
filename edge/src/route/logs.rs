//! The access logs of a location: which requests they take, and how a line looks.

use std::sync::Arc;

use process::settings::Mistakes;

use crate::route::fields::Variables;
use crate::settings::logs::{Escape, LogConfig, LogFormatConfig};
use crate::settings::{Config, LocationConfig, SiteConfig};
use crate::variables::{Definitions, Facts, Needs, RouteFacts, Template, TemplatePart};

/// One log as a location uses it.
#[derive(Debug)]
pub(crate) struct LogRule {
    /// As in the settings; the log room knows what is open under this name.
    pub(crate) to: Box<str>,
    pub(crate) line: LineFormat,
    condition: Option<Template>,
    sample: f64,
    definitions: Arc<Definitions>,
    needs_whole_request: bool,
}

#[derive(Debug)]
pub(crate) enum LineFormat {
    Combined,
    Json,
    Own(LogFormatConfig),
}

impl LogRule {
    /// The fast path knows less than the line says.
    pub(crate) fn needs_whole_request(&self) -> bool {
        self.needs_whole_request
    }

    /// Whether this request is to be logged. `chance` is a random number from 0 to 1.
    pub(crate) fn takes(&self, facts: &Facts<'_>, chance: impl FnOnce() -> f64) -> bool {
        if let Some(condition) = &self.condition {
            let value = condition.value(&self.with_definitions(facts));
            if value.is_empty() || *value == b"0"[..] {
                return false;
            }
        }
        self.sample >= 1.0 || chance() < self.sample
    }

    /// Appends the line of a format of one's own, with its end.
    pub(crate) fn write(&self, format: &LogFormatConfig, facts: &Facts<'_>, out: &mut Vec<u8>) {
        let facts = self.with_definitions(facts);
        for part in format.text.parts() {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
                TemplatePart::Variable(variable) => match facts.value(variable) {
                    Some(value) => escape(&value, format.escape, out),
                    None if format.escape == Escape::Default => out.push(b'-'),
                    None => {}
                },
            }
        }
        out.push(b'\n');
    }

    fn with_definitions<'a>(&'a self, facts: &Facts<'a>) -> Facts<'a> {
        Facts { route: RouteFacts { definitions: Some(&self.definitions), ..facts.route }, ..*facts }
    }
}

/// The logs of a location: its own; else the site's; else the edge's. `access_log = false` leaves the outer
/// ones out.
pub(super) fn of_location(
    config: &Config,
    site: (&str, &SiteConfig),
    (path, location): (&str, &LocationConfig),
    variables: &Variables,
    mistakes: &mut Mistakes,
) -> Option<Arc<[LogRule]>> {
    if !location.logs.is_empty() {
        return Some(rules(config, path, &location.logs, variables, mistakes));
    }
    if location.access_log == Some(false) {
        return None;
    }
    of_site(config, site, variables, mistakes)
}

pub(super) fn of_site(
    config: &Config,
    (path, site): (&str, &SiteConfig),
    variables: &Variables,
    mistakes: &mut Mistakes,
) -> Option<Arc<[LogRule]>> {
    if !site.logs.is_empty() {
        return Some(rules(config, path, &site.logs, variables, mistakes));
    }
    let is_logged = site.access_log != Some(false) && !config.logs.is_empty();
    is_logged.then(|| rules(config, "edge", &config.logs, variables, mistakes))
}

fn rules(
    config: &Config,
    path: &str,
    logs: &[LogConfig],
    variables: &Variables,
    mistakes: &mut Mistakes,
) -> Arc<[LogRule]> {
    let logs = logs.iter().enumerate();
    logs.filter_map(|(at, log)| rule(config, &format!("{path}.logs[{at}]"), log, variables, mistakes))
        .collect()
}

fn rule(
    config: &Config,
    path: &str,
    log: &LogConfig,
    variables: &Variables,
    mistakes: &mut Mistakes,
) -> Option<LogRule> {
    if !(0.0..=1.0).contains(&log.sample) {
        mistakes.push(format!("{path}.sample"), format!("`{}` must be from 0 to 1", log.sample));
    }
    if let Err(text) = check_destination(&log.to) {
        mistakes.push(format!("{path}.to"), text);
    }
    if let Some(condition) = &log.condition {
        condition.check(&format!("{path}.if"), &variables.names, mistakes);
    }
    let line = match (log.format.as_str(), config.log_formats.get(&log.format)) {
        (_, Some(format)) => {
            format.text.check(&format!("edge.log_formats.{}", log.format), &variables.names, mistakes);
            LineFormat::Own(format.clone())
        }
        ("combined", None) => LineFormat::Combined,
        ("json", None) => LineFormat::Json,
        (name, None) => {
            let text =
                format!("`{name}` is neither \"combined\" nor \"json\" nor a name in edge.log_formats");
            mistakes.push(format!("{path}.format"), text);
            return None;
        }
    };
    let own = if let LineFormat::Own(format) = &line { Some(&format.text) } else { None };
    let templates = own.into_iter().chain(&log.condition);
    let needs = templates.fold(Needs::NOTHING, |needs, template| needs.and(template.needs(&variables.names)));
    Some(LogRule {
        to: log.to.as_str().into(),
        line,
        condition: log.condition.clone(),
        sample: log.sample,
        definitions: variables.definitions.clone(),
        needs_whole_request: needs.has(Needs::REPLY_FIELDS.and(Needs::PLACE)),
    })
}

fn check_destination(to: &str) -> Result<(), String> {
    match to.strip_prefix("syslog:") {
        Some(syslog) => crate::settings::syslog::Syslog::parse(syslog).map(|_| ()),
        None if to.is_empty() || to == "off" => {
            Err("must be a file, \"stdout\", \"stderr\" or \"syslog:server=…\"".into())
        }
        None => Ok(()),
    }
}

/// As nginx writes values into its log, but that no value ends the line.
fn escape(value: &[u8], escape: Escape, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |byte: u8| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    match escape {
        Escape::Default => {
            for &byte in value {
                match byte {
                    0x20..=0x7e if byte != b'"' && byte != b'\\' => out.push(byte),
                    _ => {
                        out.extend_from_slice(b"\\x");
                        out.extend_from_slice(&hex(byte));
                    }
                }
            }
        }
        Escape::Json => {
            // A line that is not UTF-8 would be no JSON.
            for byte in String::from_utf8_lossy(value).bytes() {
                match byte {
                    b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    0x08 => out.extend_from_slice(b"\\b"),
                    0x0c => out.extend_from_slice(b"\\f"),
                    0..0x20 => {
                        out.extend_from_slice(b"\\u00");
                        out.extend_from_slice(&hex(byte));
                    }
                    _ => out.push(byte),
                }
            }
        }
        Escape::None => {
            for &byte in value {
                match byte {
                    b'\n' | b'\r' | 0 => {
                        out.extend_from_slice(b"\\x");
                        out.extend_from_slice(&hex(byte));
                    }
                    _ => out.push(byte),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_a_field_or_a_line() {
        let value = b"a \"b\" \\c\n\r\t\x01\xc3\xa9\xff\x7f";
        let cases: [(Escape, &[u8]); 3] = [
            (Escape::Default, b"a \\x22b\\x22 \\x5Cc\\x0A\\x0D\\x09\\x01\\xC3\\xA9\\xFF\\x7F"),
            (Escape::Json, b"a \\\"b\\\" \\\\c\\n\\r\\t\\u0001\xc3\xa9\xef\xbf\xbd\x7f"),
            (Escape::None, b"a \"b\" \\c\\x0A\\x0D\t\x01\xc3\xa9\xff\x7f"),
        ];
        for (how, expected) in cases {
            let mut out = Vec::new();
            escape(value, how, &mut out);
            assert_eq!(out, expected, "{how:?}: {}", out.escape_ascii());
        }
    }

    #[test]
    fn destinations_are_checked() {
        for to in [
            "stdout",
            "/var/log/x.log",
            "syslog:server=127.0.0.1:514,tag=weir",
            "syslog:server=unix:/dev/log",
        ] {
            assert_eq!(check_destination(to), Ok(()), "{to}");
        }
        for to in ["", "off", "syslog:", "syslog:server=x", "syslog:server=127.0.0.1,severity=loud"] {
            assert!(check_destination(to).is_err(), "{to}");
        }
    }
}
