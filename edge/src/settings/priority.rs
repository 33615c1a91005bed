//! `priority` of a location: whose requests go first if they must wait for an application server.

use serde::Deserialize;
use weir_proto::origin;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others: health probes, and operators who repair things.
    High,
    #[default]
    Normal,
    /// After all others.
    Low,
}

impl From<Priority> for origin::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::High => Self::High,
            Priority::Normal => Self::Normal,
            Priority::Low => Self::Low,
        }
    }
}
