//! What is known of the servers that were asked for a reply.

use std::borrow::Cow;
use std::time::Duration;

use weir_proto::origin::Attempt;

use crate::variables::application_work::ApplicationWork;
use crate::variables::earlier_reply::EarlierUpstream;
use crate::variables::names::KnownVariable;
use crate::variables::stamp;

/// What the application did for one reply.
#[derive(Clone, Copy)]
pub(crate) struct UpstreamFacts<'a> {
    /// The servers that were tried before.
    pub(crate) earlier: &'a [Attempt],
    /// The server that answered; else the pool.
    pub(crate) server: &'a str,
    pub(crate) status: u16,
    /// How long it took to connect; `None`: nobody was reached.
    pub(crate) connect: Option<Duration>,
    /// How long it took to the head of the reply, and to its end.
    pub(crate) head: Duration,
    pub(crate) whole: Duration,
    /// What the application says of its own work.
    pub(crate) work: ApplicationWork<'a>,
}

/// The value of a variable; `None`: there is none.
pub(super) fn of_upstream<'a>(
    upstream: &UpstreamFacts<'a>,
    variable: KnownVariable,
) -> Option<Cow<'a, [u8]>> {
    match variable {
        KnownVariable::UpstreamView => {
            return Some(upstream.work.view.as_bytes()).filter(|view| !view.is_empty()).map(Cow::Borrowed);
        }
        KnownVariable::UpstreamQueries => {
            return upstream.work.queries.map(|count| count.to_string().into_bytes().into());
        }
        KnownVariable::UpstreamQueryTime => {
            return upstream.work.sql.map(|took| stamp::seconds(took).into_bytes().into());
        }
        _ => {}
    }
    if !upstream.earlier.is_empty() {
        return of_attempts(upstream, variable).map(Cow::Owned);
    }
    let took = match variable {
        KnownVariable::UpstreamAddr => return Some(address(upstream.server)),
        KnownVariable::UpstreamStatus => return Some(Cow::Owned(upstream.status.to_string().into_bytes())),
        KnownVariable::UpstreamConnectTime => upstream.connect?,
        KnownVariable::UpstreamHeaderTime => upstream.head,
        KnownVariable::UpstreamResponseTime => upstream.whole,
        _ => return None,
    };
    Some(Cow::Owned(stamp::seconds(took).into_bytes()))
}

/// What is known of each server that was tried, with a comma between them.
fn of_attempts(upstream: &UpstreamFacts<'_>, variable: KnownVariable) -> Option<Vec<u8>> {
    let last = UpstreamFacts { earlier: &[], ..*upstream };
    let mut all = Vec::new();
    for attempt in upstream.earlier {
        let took = stamp::seconds(Duration::from_micros(attempt.took_us.into()));
        match variable {
            KnownVariable::UpstreamAddr => all.extend_from_slice(&address(&attempt.server)),
            KnownVariable::UpstreamStatus => all.extend_from_slice(attempt.status.to_string().as_bytes()),
            // It had none of these.
            KnownVariable::UpstreamConnectTime | KnownVariable::UpstreamHeaderTime => all.push(b'-'),
            _ => all.extend_from_slice(took.as_bytes()),
        }
        all.extend_from_slice(b", ");
    }
    all.extend_from_slice(&of_upstream(&last, variable)?);
    Some(all)
}

/// A server of the settings as nginx writes it: "127.0.0.1:3031", "unix:/run/app.sock".
fn address(server: &str) -> Cow<'_, [u8]> {
    match server.split_once("://") {
        Some((scheme, path)) if scheme.ends_with("unix") => Cow::Owned(format!("unix:{path}").into_bytes()),
        Some((_, address)) => Cow::Borrowed(address.trim_end_matches('/').as_bytes()),
        None => Cow::Borrowed(server.as_bytes()),
    }
}

impl EarlierUpstream {
    pub(crate) fn of(facts: &UpstreamFacts<'_>) -> Self {
        Self {
            earlier: facts.earlier.to_vec(),
            server: facts.server.to_owned(),
            status: facts.status,
            connect: facts.connect,
            head: facts.head,
            whole: facts.whole,
        }
    }

    pub(crate) fn facts(&self) -> UpstreamFacts<'_> {
        UpstreamFacts {
            earlier: &self.earlier,
            server: &self.server,
            status: self.status,
            connect: self.connect,
            head: self.head,
            whole: self.whole,
            work: ApplicationWork::default(),
        }
    }
}
