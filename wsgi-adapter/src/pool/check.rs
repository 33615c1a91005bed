//! What the active checks say of one server: so many that pass or fail in a row turn it.

use crate::config::CheckConfig;

#[derive(Debug, Clone)]
pub(super) struct CheckState {
    up: bool,
    /// Results in a row that say otherwise.
    against: u32,
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// What was wrong the last time, if something was.
    pub(super) fault: Option<String>,
}

impl CheckState {
    pub(super) fn new(up: bool) -> Self {
        Self { up, against: 0, passed: 0, failed: 0, fault: None }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// A check has passed, or failed for this reason. True: the server has turned.
    pub(super) fn note(&mut self, result: Result<(), String>, settings: &CheckConfig) -> bool {
        let passed = result.is_ok();
        self.fault = result.err();
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
        if passed == self.up {
            self.against = 0;
            return false;
        }
        self.against += 1;
        if self.against < if passed { settings.rise } else { settings.fall } {
            return false;
        }
        (self.up, self.against) = (passed, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_after_so_many_in_a_row() {
        let settings = CheckConfig { rise: 2, fall: 3, ..CheckConfig::default() };
        // What each check says (+ or -), and how the server stands after it.
        for (up, results, standing) in [
            (true, "--+---", "UUUUUD"),
            (true, "-+-+-+", "UUUUUU"),
            (false, "+-++-", "DDDUU"),
            (true, "---++--", "UUDDUUU"),
        ] {
            let mut checked = CheckState::new(up);
            let stood: String = results
                .chars()
                .map(|result| {
                    checked.note(if result == '+' { Ok(()) } else { Err("status 500".into()) }, &settings);
                    if checked.is_up() { 'U' } else { 'D' }
                })
                .collect();
            assert_eq!(stood, standing, "{results}");
            assert_eq!(checked.fault.is_some(), results.ends_with('-'));
        }
    }
}
