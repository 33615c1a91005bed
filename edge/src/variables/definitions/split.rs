//! nginx's `split_clients`: a variable with one of several values, by shares, always the same for one client.

use std::borrow::Cow;

use process::settings::Mistakes;
use serde::Deserialize;

use crate::variables::definitions::murmur;
use crate::variables::facts::Facts;
use crate::variables::names::Variable;
use crate::variables::template::Template;

/// One `[[edge.split]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// The variable that it defines.
    pub variable: String,
    /// What is the same for one client: `$remote_addr`, `$cookie_visitor`.
    pub from: Template,
    /// Pairs of a share and a value: `["0.5%", "a"]`; `"*"` is what is left.
    pub parts: Vec<(String, Template)>,
}

#[derive(Debug)]
pub(super) struct Split {
    path: String,
    from: Template,
    /// Each with the first hash that is not its own; `None`: all that are left.
    parts: Vec<(Option<u32>, Template)>,
}

impl Split {
    pub(super) fn build(path: &str, config: &SplitConfig, mistakes: &mut Mistakes) -> Option<Self> {
        let mut parts = Vec::new();
        let (mut sum, mut end) = (0, 0_u32);
        for (at, (share, value)) in config.parts.iter().enumerate() {
            let wrong = match hundredths(share) {
                _ if sum == 10_000 => Some("the parts before it are 100% already".to_owned()),
                Some(None) => {
                    sum = 10_000;
                    parts.push((None, value.clone()));
                    None
                }
                Some(Some(more)) if sum + more > 10_000 => Some("the parts are more than 100%".to_owned()),
                Some(Some(more)) => {
                    sum += more;
                    let wide = u64::from(more) * u64::from(u32::MAX) / 10_000;
                    end = end.saturating_add(u32::try_from(wide).unwrap_or(u32::MAX));
                    parts.push((Some(end), value.clone()));
                    None
                }
                None => Some(format!("`{share}` is neither a share such as \"0.5%\" nor \"*\"")),
            };
            if let Some(text) = wrong {
                mistakes.push(format!("{path}.parts[{at}]"), text);
                return None;
            }
        }
        Some(Self { path: path.to_owned(), from: config.from.clone(), parts })
    }

    pub(super) fn uses(&self) -> Vec<(String, &Variable)> {
        let templates = self.parts.iter().map(|(_, value)| value).chain([&self.from]);
        templates.flat_map(Template::variables).map(|variable| (self.path.clone(), variable)).collect()
    }

    pub(super) fn value<'a>(&'a self, facts: &Facts<'a>) -> Cow<'a, [u8]> {
        let hash = murmur::hash(&self.from.value(facts));
        let part = self.parts.iter().find(|(end, _)| end.is_none_or(|end| hash < end));
        part.map(|(_, value)| value.value(facts)).unwrap_or_default()
    }
}

/// Hundredths of a percent; `Some(None)` for "*".
fn hundredths(share: &str) -> Option<Option<u32>> {
    if share == "*" {
        return Some(None);
    }
    let number = share.strip_suffix('%')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 || whole.is_empty() {
        return None;
    }
    let hundredths: u32 = format!("{whole}{part:0<2}").parse().ok()?;
    (1..=10_000).contains(&hundredths).then_some(Some(hundredths))
}
