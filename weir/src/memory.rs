//! `memory`: the one bound for the whole process of `weir run`. What the settings leave at its default gets a
//! part of it; what they set must fit beside that.

use edge::settings::{Config as Edge, L1Config};
use process::settings::Mistakes;
use process::units::Size;

use crate::settings::ServiceSettings;

const MIB: u64 = 1024 * 1024;
/// Code, threads, tables and the allocator's own, which no setting counts.
const OWN: u64 = 40 * MIB;
/// The smallest memory that leaves each part enough to be of use.
const LEAST: u64 = 96 * MIB;
/// What one idle connection takes at most: TLS, HTTP/2 and the buffers of a head.
const CONNECTION: u64 = 24 * 1024;
/// A page, with what indexes it, may take this much more than its bytes until the allocator uses its place
/// again.
const USED: u64 = 80;

/// The parts that have a setting: how many hundredths of the memory one gets if it is left at its default,
/// and where its number is.
struct Part {
    path: &'static str,
    hundredths: u64,
    default: u64,
    value: fn(&mut ServiceSettings) -> &mut u64,
}

fn parts() -> [Part; 6] {
    let (edge, node, adapter) =
        (Edge::default(), cache_node::Config::default(), wsgi_adapter::Config::default());
    [
        Part {
            path: "edge.l1.memory",
            hundredths: 22,
            default: edge.l1.memory.0,
            value: |loaded| &mut loaded.edge.l1.memory.0,
        },
        Part {
            path: "edge.l1.compressed",
            hundredths: 5,
            default: edge.l1.compressed.0,
            value: |loaded| &mut loaded.edge.l1.compressed.0,
        },
        Part {
            path: "edge.files.memory",
            hundredths: 5,
            default: edge.files.memory.0,
            value: |loaded| &mut loaded.edge.files.memory.0,
        },
        Part {
            path: "edge.limits.bodies",
            hundredths: 15,
            default: edge.limits.bodies.0,
            value: |loaded| &mut loaded.edge.limits.bodies.0,
        },
        Part {
            path: "cache_node.memory",
            hundredths: 30,
            default: node.memory.0,
            value: |loaded| &mut loaded.cache_node.memory.0,
        },
        Part {
            path: "wsgi_adapter.body_memory",
            hundredths: 13,
            default: adapter.body_memory.0,
            value: |loaded| &mut loaded.wsgi_adapter.body_memory.0,
        },
    ]
}

/// What each part has got, in bytes, by the path of its setting.
pub(crate) fn shares(loaded: &mut ServiceSettings) -> [(&'static str, u64); 6] {
    parts().map(|part| (part.path, *(part.value)(loaded)))
}

/// Makes the parts fit. Reports what cannot.
pub(crate) fn share(memory: Size, loaded: &mut ServiceSettings, mistakes: &mut Mistakes) {
    if memory.0 < LEAST {
        return mistakes.push("memory", format!("must be {} MiB or more", LEAST / MIB));
    }
    let usable = (memory.0 - OWN) / 100 * USED;
    let parts = parts();
    let set: u64 = parts
        .iter()
        .map(|part| (part, *(part.value)(loaded)))
        .filter(|(part, value)| *value != part.default)
        .map(|(_, value)| value)
        .fold(0, u64::saturating_add);
    let left = usable.saturating_sub(set);
    let is_left = |part: &Part, loaded: &mut ServiceSettings| *(part.value)(loaded) == part.default;
    let mut hundredths = CONNECTIONS;
    hundredths += parts.iter().filter(|part| is_left(part, loaded)).map(|part| part.hundredths).sum::<u64>();
    let mut names = Vec::new();
    for part in &parts {
        if is_left(part, loaded) {
            *(part.value)(loaded) = left / hundredths * part.hundredths;
        } else {
            names.push(part.path);
        }
    }
    let least = usable / 100 * CONNECTIONS;
    if set + least > usable {
        let (memory, usable) = (memory.0 / MIB, (usable - least) / MIB);
        let (names, set) = (names.join(", "), set / MIB);
        let text = format!(
            "of {memory} MiB, {usable} MiB are left for caches and bodies, but {names} ask for {set} MiB"
        );
        return mistakes.push("memory", text);
    }
    let objects: [(&mut Size, u64); 2] = {
        let L1Config { memory, max_object, .. } = &mut loaded.edge.l1;
        [(max_object, memory.0 / 8), (&mut loaded.cache_node.max_object, loaded.cache_node.memory.0 / 4)]
    };
    // A page must not drive out all others.
    for (object, most) in objects {
        object.0 = object.0.min(most);
    }
    let connections = usize::try_from(left / hundredths * CONNECTIONS / CONNECTION).unwrap_or(usize::MAX);
    loaded.edge.limits.connections = loaded.edge.limits.connections.min(connections.max(1));
}

/// The hundredths for connections.
const CONNECTIONS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded() -> ServiceSettings {
        let (edge, cache_node, wsgi_adapter, tree) = Default::default();
        ServiceSettings { edge, cache_node, wsgi_adapter, tree }
    }

    fn total(loaded: &mut ServiceSettings) -> u64 {
        parts().iter().map(|part| *(part.value)(loaded)).sum()
    }

    #[test]
    fn what_is_left_out_gets_its_part() {
        for mebibytes in [96, 256, 512, 4096, 65_536] {
            let (mut loaded, mut mistakes) = (loaded(), Mistakes::default());
            share(Size::mebibytes(mebibytes), &mut loaded, &mut mistakes);
            assert!(mistakes.is_empty(), "{mebibytes}: {mistakes}");
            let connections = loaded.edge.limits.connections as u64;
            assert!(connections > 100, "{connections}");
            let total = total(&mut loaded) + connections * CONNECTION;
            assert!(total < mebibytes * MIB - OWN, "{mebibytes}: {total}");
            assert!(total > (mebibytes * MIB - OWN) / 2, "{mebibytes}: {total}");
        }
    }

    #[test]
    fn what_is_set_stays_and_must_fit() {
        let (mut some, mut mistakes) = (loaded(), Mistakes::default());
        some.edge.l1.memory = Size::mebibytes(100);
        share(Size::mebibytes(256), &mut some, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        assert_eq!(some.edge.l1.memory, Size::mebibytes(100));
        assert!(total(&mut some) < 216 * MIB);
        let (mut many, mut mistakes) = (loaded(), Mistakes::default());
        many.edge.l1.memory = Size::mebibytes(100);
        many.cache_node.memory = Size::mebibytes(150);
        share(Size::mebibytes(256), &mut many, &mut mistakes);
        let text = mistakes.to_string();
        assert!(text.contains("edge.l1.memory, cache_node.memory ask for 250 MiB"), "{text}");
        let mut mistakes = Mistakes::default();
        share(Size::mebibytes(95), &mut loaded(), &mut mistakes);
        assert!(mistakes.to_string().contains("96 MiB or more"));
    }
}
