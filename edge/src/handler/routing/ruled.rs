//! Runs the rules of a site or location: conditions, `set`, `rewrite`, `return`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::files::{self, PathKind};
use crate::handler::place::{SiteLocation, check_searches, facts, path_of, printable};
use crate::handler::returned;
use crate::reply::{Reply, error};
use crate::request::Request;
use crate::request::path::{self, split};
use crate::route::rules::condition::{Condition, FileKind, contains};
use crate::route::rules::rewrite::{Rewrite, RewriteFlag, RewriteResult};
use crate::route::rules::{Rule, RuleAction, Rules};

/// What the rules of a place make of a request.
pub(super) enum RulesOutcome {
    /// This place goes on with it; its path may be another.
    Stay,
    /// This location answers.
    Named(Arc<str>),
    /// The path is another, so its location is to be chosen again.
    Elsewhere,
    Answer(Reply),
}

/// How far the rules have come.
#[derive(Default)]
struct Progress {
    /// The path is another.
    is_changed: bool,
    /// The location that answers in place of this one.
    place: Option<Arc<str>>,
}

impl Progress {
    /// The rules end here, with this path.
    fn stay(self) -> RulesOutcome {
        self.place.map_or(RulesOutcome::Stay, RulesOutcome::Named)
    }
}

/// What follows an action.
enum RulesProgress {
    Action,
    End(RulesOutcome),
}

pub(super) async fn run(rules: &Rules, request: &mut Request, at: SiteLocation<'_>) -> RulesOutcome {
    let mut progress = Progress::default();
    for rule in &rules.0 {
        match holds(rule, request, at).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(reply) => return RulesOutcome::Answer(reply),
        }
        for action in &rule.actions {
            match act(rule, action, request, at, &mut progress) {
                RulesProgress::Action => {}
                RulesProgress::End(RulesOutcome::Stay) => return progress.stay(),
                RulesProgress::End(ruled) => return ruled,
            }
        }
    }
    if progress.is_changed { RulesOutcome::Elsewhere } else { progress.stay() }
}

fn act(
    rule: &Rule,
    action: &RuleAction,
    request: &mut Request,
    SiteLocation { site, location }: SiteLocation<'_>,
    progress: &mut Progress,
) -> RulesProgress {
    let path = match path_of(request) {
        Ok(path) => path,
        Err(reply) => return RulesProgress::End(RulesOutcome::Answer(reply)),
    };
    match action {
        RuleAction::Break => RulesProgress::End(RulesOutcome::Stay),
        RuleAction::Set(name, value) => {
            let value = value.value(&facts(request, &path, site, location)).into_owned();
            request.values.set(name, value);
            match check_searches(request) {
                Ok(()) => RulesProgress::Action,
                Err(reply) => RulesProgress::End(RulesOutcome::Answer(reply)),
            }
        }
        RuleAction::Place(name) => {
            progress.place.clone_from(name);
            RulesProgress::Action
        }
        // A rule of the site that has answered with an error does not answer for the page of that error too.
        RuleAction::Return(answer)
            if request.for_error == Some(answer.status) && Arc::ptr_eq(location, site.otherwise()) =>
        {
            RulesProgress::Action
        }
        RuleAction::Return(answer) => {
            let known = facts(request, &path, site, location);
            let reply = returned::reply(answer, (&known, request.error_status), location);
            request.note(|| rule.name.to_string(), || format!("answered with {}", answer.status.as_u16()));
            RulesProgress::End(RulesOutcome::Answer(reply))
        }
        RuleAction::Rewrite(rewrite) => {
            let mut values = std::mem::take(&mut request.values);
            let matched = values.matches(&rewrite.regex, path.as_bytes());
            request.values = values;
            match matched {
                Ok(true) => {}
                Ok(false) => return RulesProgress::Action,
                Err(endless) => {
                    return RulesProgress::End(RulesOutcome::Answer(returned::endless(endless, request)));
                }
            }
            let own_query = split(&request.target).1;
            let rewritten = rewrite.apply(&facts(request, &path, site, location), own_query);
            take(rule, rewrite, rewritten, request, progress)
        }
    }
}

fn take(
    rule: &Rule,
    rewrite: &Rewrite,
    rewritten: RewriteResult,
    request: &mut Request,
    progress: &mut Progress,
) -> RulesProgress {
    let (new, query) = match rewritten {
        RewriteResult::Path(path, query) => (path, query),
        RewriteResult::Location(status, to) => {
            request.note(|| rule.name.to_string(), || format!("redirected with {}", status.as_u16()));
            return RulesProgress::End(RulesOutcome::Answer(returned::redirect(status, &to)));
        }
    };
    let Ok(new) = path::resolved(&new) else {
        return RulesProgress::End(RulesOutcome::Answer(error::bad_request("The path is malformed.")));
    };
    request.rewrite_to(&new, query.as_deref());
    request.note(|| rule.name.to_string(), || format!("rewritten to {}", printable(&new)));
    progress.is_changed = true;
    match rewrite.then {
        RewriteFlag::Next | RewriteFlag::Redirect(_) => RulesProgress::Action,
        RewriteFlag::Last => RulesProgress::End(RulesOutcome::Elsewhere),
        RewriteFlag::Break => RulesProgress::End(RulesOutcome::Stay),
    }
}

/// Whether all conditions of a rule hold. `Err`: the answer, because the disk failed.
async fn holds(
    rule: &Rule,
    request: &mut Request,
    SiteLocation { site, location }: SiteLocation<'_>,
) -> Result<bool, Reply> {
    if rule.when.is_empty() {
        return Ok(true);
    }
    let path = path_of(request)?;
    for condition in &rule.when {
        let holds = match condition {
            Condition::Is(value, is) => {
                let value = value.value(&facts(request, &path, site, location));
                *is != (value.is_empty() || *value == *b"0")
            }
            Condition::Text(value, tests) => {
                let mut values = request.values.clone();
                let known = facts(request, &path, site, location);
                let holds = tests.hold(&value.value(&known), &known, &mut values);
                request.values = values;
                holds.map_err(|endless| returned::endless(endless, request))?
            }
            Condition::Address { networks, within } => contains(networks, request.client.address) == *within,
            Condition::File { path: file, kind, exists } => {
                let file = file.value(&facts(request, &path, site, location)).into_owned();
                match is_there(&file, *kind).await {
                    Ok(there) => there == *exists,
                    Err(failed) => {
                        tracing::error!(error = %failed, "cannot look for the file of a rule");
                        return Err(error::internal());
                    }
                }
            }
        };
        // A variable of a condition may be a map.
        check_searches(request)?;
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_there(path: &[u8], kind: FileKind) -> io::Result<bool> {
    // A variable may hold dots that lead to another directory than the settings mean.
    let leaves = path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if leaves || path.contains(&0) {
        return Ok(false);
    }
    let found = files::kind_at(PathBuf::from(OsStr::from_bytes(path))).await?;
    Ok(match kind {
        FileKind::File => found == Some(PathKind::File),
        FileKind::Directory => found == Some(PathKind::Directory),
        FileKind::Any => found.is_some(),
    })
}
