//! "Did you mean …?" for names that are not known.

/// How alike two names must be, from 0 to 1, for one to be taken for a slip of the other: by common letters
/// and a common beginning (Jaro-Winkler), or by the edits between them (Damerau-Levenshtein), which sees more
/// in short names.
const ALIKE: f64 = 0.8;
const FEW_EDITS: f64 = 0.6;

/// A sentence on a `kind` ("key", "section") that is none of `known`: names the nearest, or all.
pub(super) fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("unknown {kind} `{name}`; did you mean `{nearest}`?"),
        None if known.is_empty() => format!("unknown {kind} `{name}`; none is known here"),
        None => format!("unknown {kind} `{name}`; known here: {}", listed(known, '`', "and")),
    }
}

/// A sentence on a value that is none of `known`.
pub(super) fn unknown_value(value: &str, known: &[&str]) -> String {
    let hint = nearest(value, known).map(|nearest| format!("; did you mean \"{nearest}\"?"));
    format!("must be {}, not {value:?}{}", listed(known, '"', "or"), hint.unwrap_or_default())
}

/// "a", "b" or "c".
pub(super) fn listed(names: &[&str], quote: char, conjunction: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{quote}{name}{quote}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {conjunction} {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |other: &str| {
        (strsim::jaro_winkler(name, other), strsim::normalized_damerau_levenshtein(name, other))
    };
    let slips = known.iter().map(|other| (likeness(other), *other));
    let alike = slips.filter(|((letters, edits), _)| *letters >= ALIKE || *edits >= FEW_EDITS);
    alike.max_by(|((a, _), _), ((b, _), _)| a.total_cmp(b)).map(|(_, other)| other)
}
