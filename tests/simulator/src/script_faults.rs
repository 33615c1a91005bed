//! Faults put back into the cache-node's scripts, as they run in the simulator's Redis: whether the simulator
//! would find them. None needs another build.

use crate::schedule::Aim;

/// One fault, as a change of a script's text.
#[derive(Clone, Copy, Debug)]
pub struct ScriptFault {
    pub name: &'static str,
    /// The worlds that find it.
    pub aim: Aim,
    /// What stands in a script, and what stood there with the fault.
    right: &'static str,
    wrong: &'static str,
}

pub const FAULTS: &[ScriptFault] = &[
    // Mended by "a page stored while another node reads the purged one is found there".
    ScriptFault {
        name: "stored-meanwhile",
        aim: Aim::Split,
        right: "local usable = not string.find(ARGV[4] .. ' ', ' ' .. own .. ' ', 1, true)",
        wrong: "local usable = ARGV[4] == ''",
    },
    // Whoever has lost the lease stores its page nevertheless.
    ScriptFault {
        name: "unfenced",
        aim: Aim::Frozen,
        right: "if string.match(redis.call('GET', KEYS[1]) or '', '^(%w+)@') ~= ARGV[1] then
  return 0
end
local function outlive",
        wrong: "local function outlive",
    },
    // Mended by "Redis's clock may be set".
    ScriptFault {
        name: "lease-of-tomorrow",
        aim: Aim::Clock,
        right: "or tonumber(since) > now or",
        wrong: "or",
    },
    ScriptFault {
        name: "page-of-tomorrow",
        aim: Aim::Clock,
        right: "stored[1] and at > now",
        wrong: "false",
    },
    // Two requests get the lease.
    ScriptFault { name: "lease-for-all", aim: Aim::Split, right: "if not owner or", wrong: "if true or" },
    // The lease is not renewed.
    ScriptFault {
        name: "lease-not-renewed",
        aim: Aim::Slow,
        right: "redis.call('SET', KEYS[1], ARGV[1] .. now, 'PX', ARGV[2])\nreturn 1",
        wrong: "return 1",
    },
    // Others are not told that a page is there, or that there will be none.
    ScriptFault {
        name: "end-of-lease-untold",
        aim: Aim::Prompt,
        right: "redis.call('PUBLISH', ARGV[6], ARGV[7])\nreturn 1",
        wrong: "return 1",
    },
    // A purge is not told, so that it waits for the next beat of each node.
    ScriptFault {
        name: "purge-untold",
        aim: Aim::Prompt,
        right: "redis.call('PUBLISH', ARGV[5], ARGV[6])\nreturn {id, place}",
        wrong: "return {id, place}",
    },
    // A purge that follows a lost one does not show it.
    ScriptFault {
        name: "gap-unseen",
        aim: Aim::Mixed,
        right: "'previous', last and last[1] or '0-0'",
        wrong: "'previous', '0-0'",
    },
    // A new log begins with the places of the old one.
    ScriptFault {
        name: "log-not-succeeded",
        aim: Aim::Mixed,
        right: "redis.call('HSET', KEYS[2], 'id', ARGV[2])\nredis.call('PUBLISH', ARGV[3], ARGV[4])",
        wrong: "redis.call('HSET', KEYS[2], 'id', ARGV[1])\nredis.call('PUBLISH', ARGV[3], ARGV[4])",
    },
    // A node is answered nothing after the place it has read to.
    ScriptFault { name: "log-unread", aim: Aim::Mixed, right: "'(' .. ARGV[5] or '-'", wrong: "'+' or '+'" },
    // All pages of a key are one, whatever they vary by.
    ScriptFault {
        name: "rules-ignored",
        aim: Aim::Split,
        right: "if rules ~= ARGV[1] then",
        wrong: "if false then",
    },
];

/// The script as it is with a fault.
pub fn with_fault(source: &str, fault: Option<ScriptFault>) -> String {
    match fault {
        Some(fault) => source.replace(fault.right, fault.wrong),
        None => source.to_owned(),
    }
}

/// The fault of a name.
pub fn named(name: &str) -> Option<ScriptFault> {
    FAULTS.iter().find(|fault| fault.name == name).copied()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_fault_changes_one_script() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cache-node/src/store/redis");
        let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
        let scripts = files.filter(|file| file.extension().is_some_and(|extension| extension == "lua"));
        let scripts: Vec<String> = scripts.map(|file| std::fs::read_to_string(file).unwrap()).collect();
        for fault in FAULTS {
            let changed =
                scripts.iter().filter(|script| with_fault(script, Some(*fault)) != **script).count();
            assert_eq!(changed, 1, "{}", fault.name);
        }
    }
}
