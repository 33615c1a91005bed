//! What to do about a reason, as docs/troubles.md tells people.

use http_cache::Reason;

// A link to docs/troubles.md: a source package holds what is below each crate.
const TROUBLES: &str = include_str!("troubles.md");
const HEADER: &str = "| detail | why | what to do |";

/// What to do so that pages with this reason are shared. Empty: nothing, it is as it should be.
pub(super) fn remedy(reason: Reason) -> String {
    let rows = TROUBLES.split_once(HEADER).map_or("", |(_, rows)| rows);
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with('|'));
    let named = format!("`{}`", reason.as_str());
    let row = rows
        .map(|row| row.trim_matches('|'))
        .find(|row| row.split('|').next().is_some_and(|names| names.contains(&named)));
    plain(row.and_then(|row| row.split('|').nth(2)).unwrap_or_default().trim())
}

/// Without backticks, and without where links lead.
fn plain(markdown: &str) -> String {
    let (mut text, mut rest) = (String::new(), markdown);
    while let Some((before, behind)) = rest.split_once("](")
        && let Some((before, name)) = before.rsplit_once('[')
        && let Some((_, behind)) = behind.split_once(')')
    {
        text.push_str(before);
        text.push_str("docs/");
        text.push_str(name);
        rest = behind;
    }
    text.push_str(rest);
    text.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_mended_says_how() {
        for (reason, says) in [
            (Reason::PersonalCookie, "@shared on the view if it is. cookies = { ignore ="),
            (Reason::SetCookie, "SESSION_SAVE_EVERY_REQUEST"),
            (Reason::PersonalField, "or split (docs/security.md)"),
            (Reason::HitForMiss, "ask weir explain"),
        ] {
            let remedy = remedy(reason);
            assert!(remedy.contains(says) && !remedy.contains('`'), "{reason:?}: {remedy}");
        }
        assert_eq!(remedy(Reason::Method), "");
    }
}
