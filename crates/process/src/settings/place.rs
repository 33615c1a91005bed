//! One place in the settings: a line of the file, or a variable of the environment.

use std::fmt;

/// Where a mistake stands. In the order in which mistakes are shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// `line` and `column` begin at 1.
    File {
        name: String,
        line: Option<usize>,
        column: Option<usize>,
    },
    Variable(String),
    Unknown,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: Some(line), column: Some(column) } => {
                write!(f, "{name}:{line}:{column}")
            }
            Self::File { name, line: Some(line), column: None } => write!(f, "{name}:{line}"),
            Self::File { name, .. } => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::Unknown => Ok(()),
        }
    }
}
