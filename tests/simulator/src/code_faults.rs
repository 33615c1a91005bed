//! Faults put back into the source of the services: each needs a build (`FAULT=NAME make simulate`).

use std::path::Path;

use anyhow::{Context, ensure};

use crate::schedule::Aim;

/// One fault, as a change of a file's text.
#[derive(Clone, Copy, Debug)]
pub struct CodeFault {
    pub name: &'static str,
    /// The worlds that find it.
    pub aim: Aim,
    pub file: &'static str,
    /// What stands in the file, and what stood there with the fault.
    right: &'static str,
    wrong: &'static str,
}

pub const FAULTS: &[CodeFault] = &[
    // Mended by "The cache goes on while memory for bodies is used up": the writer of a page for which there
    // is no room waits for a reader that does not say it waits.
    CodeFault {
        name: "beginning-unheard",
        aim: Aim::Scarce,
        file: "edge/src/cache/shared_body/reader.rs",
        right: "                state.waits(self.seat, &mut self.place);
            }
            self.body.read.notify_one();
            grown.await;
        }
    }

    /// Whether the page is stored",
        wrong: "                let _ = &mut state;
            }
            grown.await;
        }
    }

    /// Whether the page is stored",
    },
    // A short page is not kept while others do not read long ones: mended with the one above.
    CodeFault {
        name: "short-page-not-kept",
        aim: Aim::Scarce,
        file: "edge/src/connection/bodies.rs",
        right: "let is_short = length <= SHORT &&",
        wrong: "let is_short = length < 1 &&",
    },
    // Mended by "Clients that have few places at the application go first": a page for many is nobody's, so
    // one client takes all places.
    CodeFault {
        name: "page-of-nobody",
        aim: Aim::Scarce,
        file: "edge/src/application/ask.rs",
        right: "head.caused_by = caused_by(self.ask.client, self.ask.version);",
        wrong: "let _ = caused_by(self.ask.client, self.ask.version);",
    },
    // Mended by "Who joins a page lends its part": those who ask at the same edge, and at another.
    CodeFault {
        name: "joiners-untold",
        aim: Aim::Scarce,
        file: "edge/src/application/upload.rs",
        right: "(Box::pin(rest.chain(joined)), Some(sender))",
        wrong: "{ drop(joined); (rest, Some(sender)) }",
    },
    CodeFault {
        name: "joiners-elsewhere-untold",
        aim: Aim::Scarce,
        file: "cache-node/src/exchange/receive.rs",
        right: "client = next_joiner(&mut news), if page.is_none() => {",
        wrong: "client = next_joiner(&mut news), if page.is_none() && false => {",
    },
    // Mended by "A reply that breaks off leaves the stale page".
    CodeFault {
        name: "broken-off-is-a-page",
        aim: Aim::Mixed,
        file: "edge/src/cache/fill.rs",
        right: "if let Err(failure) = reply.body.begin().await {",
        wrong: "if let Err(failure) = reply.body.begin().await && false {",
    },
    // Mended by "A purge that Redis loses while it waits is never called complete".
    CodeFault {
        name: "lost-purge-is-complete",
        aim: Aim::Mixed,
        file: "cache-node/src/shared_log.rs",
        right: "Ok(None) => reply.missing.push(UNAWARE.to_owned()),",
        wrong: "Ok(None) => drop(UNAWARE),",
    },
];

/// Puts a fault back into `tree`, a copy of the repository, and writes all files anew that have one in the
/// list: cargo goes by their times.
pub fn put_back(name: &str, tree: &Path) -> anyhow::Result<CodeFault> {
    let wanted = FAULTS.iter().find(|fault| fault.name == name);
    let wanted = *wanted.with_context(|| format!("no fault of the source is called {name}"))?;
    for fault in FAULTS {
        let path = tree.join(fault.file);
        let source = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        std::fs::write(&path, source)?;
    }
    let path = tree.join(wanted.file);
    let source = std::fs::read_to_string(&path)?;
    ensure!(source.matches(wanted.right).count() == 1, "{}: the text is not there once", wanted.file);
    std::fs::write(&path, source.replace(wanted.right, wanted.wrong))?;
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_changes_one_place() {
        for fault in FAULTS {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(fault.file);
            let source = std::fs::read_to_string(path).unwrap();
            assert_eq!(source.matches(fault.right).count(), 1, "{}", fault.name);
        }
    }
}
