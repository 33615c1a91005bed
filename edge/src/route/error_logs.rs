//! The error logs of sites and locations: where lines about their requests go.

use std::sync::Arc;

use process::settings::Mistakes;
use tracing::Level;

use crate::route::logs::check_destination;
use crate::settings::ErrorLogConfig;

#[derive(Debug)]
pub(crate) struct ErrorLogRule {
    pub(crate) to: Box<str>,
    /// Less important lines are not written.
    pub(crate) level: Level,
}

/// Reports mistakes at `path`. `None`: lines go to the process's log.
pub(super) fn build(
    path: &str,
    configs: Option<&[ErrorLogConfig]>,
    mistakes: &mut Mistakes,
) -> Option<Arc<[ErrorLogRule]>> {
    let configs = configs.filter(|configs| !configs.is_empty())?;
    let rule = |(at, config): (usize, &ErrorLogConfig)| {
        let to = &config.to;
        if let Err(text) = check_destination(to) {
            mistakes.push(format!("{path}[{at}].to"), text);
        } else if to.contains('$') && !to.starts_with("syslog:") {
            let text = format!("`{to}`: the name of an error log has no variables; use `logs` for those");
            mistakes.push(format!("{path}[{at}].to"), text);
        }
        ErrorLogRule { to: to.as_str().into(), level: config.level.level() }
    };
    Some(configs.iter().enumerate().map(rule).collect())
}
