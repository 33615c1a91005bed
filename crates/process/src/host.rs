//! What this machine is called.

/// As `hostname` prints it: a container's id, a pod's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_one() {
        assert!(!super::host_name().is_empty());
    }
}
