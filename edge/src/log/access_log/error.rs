//! nginx's form of a line of an error log.

use std::io::Write;

/// Adds a line. `parts`: what it says.
pub(super) fn format(buffer: &mut Vec<u8>, time: String, level: &str, parts: &[&str]) {
    // Writing to a buffer cannot fail.
    let _ = write!(buffer, "{time} [{level}] {}#0: ", std::process::id());
    parts.iter().for_each(|part| buffer.extend_from_slice(part.as_bytes()));
    buffer.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_nginxs() {
        let mut buffer = Vec::new();
        format(&mut buffer, "2026/11/22 13:55:36".into(), "warn", &["*1 ", "it failed", ", client: ::1"]);
        let expected =
            format!("2026/11/22 13:55:36 [warn] {}#0: *1 it failed, client: ::1\n", std::process::id());
        assert_eq!(String::from_utf8(buffer).unwrap(), expected);
    }
}
