//! Settings: one TOML or YAML file, the environment over it, every mistake reported at once with its line.

use std::fmt;

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, as a path of keys: `edge.site[0].location[2].match`.
    pub path: String,
    /// What is wrong and what to do, in one line.
    pub text: String,
}

/// All that is wrong, in the order it was found.
#[derive(Clone, Debug, Default)]
pub struct Mistakes {
    found: Vec<Mistake>,
}

impl Mistakes {
    pub fn push(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.found.push(Mistake { path: path.into(), text: text.into() });
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.found {
            writeln!(f, "{}: {}", mistake.path, mistake.text)?;
        }
        Ok(())
    }
}
