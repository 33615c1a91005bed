//! Paths of keys as people read them: `edge.site[0].location[2].match`.

/// The path of `key` in the table at `table` ("" is the whole file).
pub(super) fn key(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

/// The path of an element of the list at `list`.
pub(super) fn element(list: &str, index: usize) -> String {
    format!("{list}[{index}]")
}

/// What holds the value at `path`: a list, a table, or nothing above a section.
pub(super) fn parent(path: &str) -> Option<&str> {
    path.rfind(['.', '[']).map(|end| &path[..end])
}

/// Whether `path` is one of a list's elements.
pub(super) fn is_element(path: &str) -> bool {
    path.ends_with(']')
}
