//! The access logs of a place: which requests they take, and how a line looks.

use std::sync::Arc;

use process::settings::Mistakes;

use crate::route::fields::Variables;
use crate::settings::Config;
use crate::settings::logs::{LogConfig, LogFormatConfig};
use crate::settings::syslog::Syslog;
use crate::variables::{Definitions, Facts, Needs, RouteFacts, Template};

/// One log as a place uses it.
#[derive(Debug)]
pub(crate) struct LogRule {
    /// As in the settings; the log room knows what is open under this name.
    pub(crate) to: Box<str>,
    /// Its name, where that depends on the request.
    varying: Option<Template>,
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

    /// The file for this request, where its name depends on the request. What a visitor says cannot lead out
    /// of the directory.
    pub(crate) fn varying(&self, facts: &Facts<'_>) -> Option<Option<String>> {
        let name = self.varying.as_ref()?;
        let name = String::from_utf8(name.value(facts).into_owned()).ok();
        Some(name.filter(|name| !name.contains('\0') && !name.split('/').any(|part| part == "..")))
    }

    /// Whether its name is known before any request comes.
    pub(crate) fn is_fixed(&self) -> bool {
        self.varying.is_none()
    }

    /// Whether this request is to be logged. `chance` is a random number from 0 to 1.
    pub(crate) fn takes(&self, facts: &Facts<'_>, chance: impl FnOnce() -> f64) -> bool {
        if let Some(condition) = &self.condition {
            let value = condition.value(facts);
            if value.is_empty() || *value == b"0"[..] {
                return false;
            }
        }
        self.sample >= 1.0 || chance() < self.sample
    }

    /// The facts with the variables that the settings define.
    pub(crate) fn with_definitions<'a>(&'a self, facts: &Facts<'a>) -> Facts<'a> {
        Facts { route: RouteFacts { definitions: Some(&*self.definitions), ..facts.route }, ..*facts }
    }
}

/// Builds the logs of places.
#[derive(Clone, Copy)]
pub(super) struct LogBuilder<'a> {
    pub(super) config: &'a Config,
    pub(super) variables: &'a Variables,
}

/// The logs that a place has; `None`: none of its own settings.
pub(super) type PlaceLogs = Option<Arc<[LogRule]>>;

impl LogBuilder<'_> {
    /// Reports what is wrong with `log_formats`, used or not.
    pub(super) fn check_formats(&self, mistakes: &mut Mistakes) {
        for (name, format) in &self.config.log_formats {
            let path = format!("edge.log_formats.{name}");
            if matches!(name.as_str(), "combined" | "json") {
                mistakes.push(&path, format!("`{name}` is a format of Weir's own; choose another name"));
            }
            format.text.check(&path, &self.variables.names, mistakes);
        }
    }

    /// The logs of a place: its own; else, unless it wants none, those around it.
    pub(super) fn of_place(
        &self,
        path: &str,
        (own, wanted): (Option<&[LogConfig]>, Option<bool>),
        outer: &PlaceLogs,
        mistakes: &mut Mistakes,
    ) -> PlaceLogs {
        match own {
            Some([]) => None,
            Some(logs) => {
                let logs = logs.iter().enumerate();
                Some(
                    logs.filter_map(|(at, log)| self.rule(&format!("{path}.logs[{at}]"), log, mistakes))
                        .collect(),
                )
            }
            None if wanted == Some(false) => None,
            None => outer.clone(),
        }
    }

    fn rule(&self, path: &str, log: &LogConfig, mistakes: &mut Mistakes) -> Option<LogRule> {
        let names = &self.variables.names;
        if !(0.0..=1.0).contains(&log.sample) {
            mistakes.push(format!("{path}.sample"), format!("`{}` must be from 0 to 1", log.sample));
        }
        if let Err(text) = check_destination(&log.to) {
            mistakes.push(format!("{path}.to"), text);
        }
        if let Some(condition) = &log.r#if {
            condition.check(&format!("{path}.if"), names, mistakes);
            if condition.constant().is_some() {
                mistakes.push(
                    format!("{path}.if"),
                    "is the same for all requests; write a text with variables, such as \"$failed\"",
                );
            }
        }
        let line = match (log.format.as_str(), self.config.log_formats.get(&log.format)) {
            ("combined", _) => LineFormat::Combined,
            ("json", _) => LineFormat::Json,
            (_, Some(format)) => LineFormat::Own(format.clone()),
            (name, None) => {
                let text = format!(
                    "`{name}` is neither \"combined\" nor \"json\" nor a name in `edge.log_formats`; {}",
                    self.known_formats()
                );
                mistakes.push(format!("{path}.format"), text);
                return None;
            }
        };
        let own = if let LineFormat::Own(format) = &line { Some(&format.text) } else { None };
        let varying = Some(&log.to).filter(|to| to.contains('$') && !to.starts_with("syslog:"));
        let varying = varying.and_then(|to| match Template::parse(to) {
            Ok(name) => Some(name),
            Err(text) => {
                mistakes.push(format!("{path}.to"), text);
                None
            }
        });
        if let Some(name) = &varying {
            name.check(&format!("{path}.to"), names, mistakes);
        }
        let mut templates = own.into_iter().chain(&log.r#if).chain(&varying);
        let needs_whole_request = templates.any(|template| template.needs(names).has(Needs::WHOLE));
        Some(LogRule {
            to: log.to.as_str().into(),
            varying: varying.clone(),
            line,
            condition: log.r#if.clone(),
            sample: log.sample,
            definitions: self.variables.definitions.clone(),
            needs_whole_request,
        })
    }

    fn known_formats(&self) -> String {
        let known: Vec<_> = self.config.log_formats.keys().map(String::as_str).collect();
        if known.is_empty() { "there are none".into() } else { format!("there are {}", known.join(", ")) }
    }
}

pub(super) fn check_destination(to: &str) -> Result<(), String> {
    match to.strip_prefix("syslog:") {
        Some(syslog) => Syslog::parse(syslog).map(|_| ()),
        None if to.is_empty() || to == "off" => {
            Err("must be a file, \"stdout\", \"stderr\" or \"syslog:server=…\"".into())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn each_mistake_names_its_place() {
        let config: Config = toml::from_str(
            r#"
            log_formats = { a = "$nothing", combined = "$status" }
            logs = [{ to = "off" }, { to = "x", format = "b" }, { to = "x", sample = 1.5, if = "$nowhere" },
                { to = "x", if = "status" }]
            "#,
        )
        .unwrap();
        let mut mistakes = Mistakes::default();
        let variables = Variables::of(&config, &mut mistakes);
        let builder = LogBuilder { config: &config, variables: &variables };
        builder.check_formats(&mut mistakes);
        builder.of_place("edge", (Some(&config.logs), None), &None, &mut mistakes);
        let text = mistakes.to_string();
        for path in [
            "edge.log_formats.a: there is no variable `$nothing`",
            "edge.log_formats.combined: `combined` is a format of Weir's own",
            "edge.logs[0].to: must be a file",
            "edge.logs[1].format: `b` is neither",
            "edge.logs[2].sample: `1.5` must be from 0 to 1",
            "edge.logs[2].if: there is no variable `$nowhere`",
            "edge.logs[3].if: is the same for all requests",
        ] {
            assert!(text.contains(path), "{path} is not in:\n{text}");
        }
    }
}
