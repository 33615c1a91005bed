//! Sites and locations as the request path uses them: built once from the settings, replaced as a whole on
//! reload.
//!
//! `server_names` chooses the site, `site` and `location` the location, by nginx's rules and without an
//! allocation. `rules`, `returns`, `try_files` and `error_page` say what a place does with a request; `build`
//! makes all of it from the settings.

pub(crate) mod auth_check;
mod build;
pub(crate) mod cache_terms;
pub(crate) mod error_logs;
pub(crate) mod error_page;
pub(crate) mod fields;
mod listeners;
pub(crate) mod location;
pub(crate) mod logs;
mod passing;
pub(crate) mod pool_choice;
pub(crate) mod pool_path;
pub(crate) mod rates;
mod real_ip;
pub(crate) mod recode;
pub(crate) mod redirects;
pub(crate) mod replace;
pub(crate) mod returns;
pub(crate) mod rules;
pub(crate) mod server_names;
mod site;
pub(crate) mod told;
pub(crate) mod trailers;
pub(crate) mod try_files;
pub(crate) mod varying_files;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_cache::Policy;
use weir_proto::origin::Priority;

use crate::access::Access;
use crate::access::secure_link::SecureLink;
use crate::coding::rule::Compress;
use crate::fields::reply::ReplyFields;
use crate::fields::reply_rewrite::ReplyRewrite;
use crate::fields::request::RequestFields;
use crate::files::FileSettings;
use crate::files::media_type::MediaTypes;
use crate::limit::LocationLimits;
use crate::metrics::LocationMetrics;
use crate::route::auth_check::AuthCheck;
use crate::route::cache_terms::CacheConditions;
use crate::route::error_logs::ErrorLogRule;
use crate::route::error_page::ErrorPages;
use crate::route::fields::VariableSets;
use crate::route::location::Locations;
use crate::route::logs::LogRule;
use crate::route::pool_choice::PoolChoice;
use crate::route::pool_path::PoolPath;
use crate::route::rates::Rates;
use crate::route::recode::RecodeRule;
use crate::route::redirects::RedirectForm;
use crate::route::replace::ReplaceRule;
use crate::route::rules::Rules;
use crate::route::server_names::ServerNames;
use crate::route::told::ToldRules;
use crate::route::trailers::Trailers;
use crate::route::try_files::TryFiles;
use crate::route::varying_files::VaryingFiles;
use crate::settings::expires::Expires;
use crate::settings::{BodyFiles, ForwardedHost, PoolRequestConfig};
use crate::tls::certificate::Certificate;
use crate::tls::certificates::Certificates;
use crate::variables::expression::Expression;
use crate::variables::{Definitions, DocumentRoot, Facts, RouteFacts, Template};
use http1::head::Authority;

pub(crate) use build::build;
pub(crate) use real_ip::RealIp;

/// All sites, chosen by listener and host.
pub(crate) struct Sites {
    /// One table for each listener.
    names: Vec<Arc<ServerNames>>,
    sites: Vec<Site>,
    /// Answers with 500 where it cannot be known which site a host belongs to.
    unknown: Site,
    pub(crate) certificates: Certificates,
    /// Whether certificates come by themselves, by listener.
    auto: Vec<bool>,
    /// Some site has a certificate of its own.
    several_certificates: bool,
    /// Some location needs the request when its reply is there.
    keeps_requests: bool,
    /// Some location wants `$request_body`.
    keeps_bodies: bool,
    /// Some location compresses replies.
    compresses: bool,
    /// Some location passes interim replies on.
    wants_hints: bool,
    /// Some location has error logs of its own.
    has_error_logs: bool,
}

#[derive(Clone)]
pub(crate) enum SiteCertificate {
    Files(Certificate),
    /// It comes by itself: the room `acme` has it.
    Auto,
    /// There is none, and the handshake fails.
    Rejected,
}

pub(crate) struct Site {
    /// The first server_name, for logs, metrics and SERVER_NAME; "_" if the site has none.
    pub(crate) name: Arc<str>,
    /// The certificate for clients that name this site in their TLS handshake; `None`: the listener's.
    certificate: Option<SiteCertificate>,
    /// Variables that get a value when a request gets here, before the rules.
    pub(crate) sets: Option<Arc<VariableSets>>,
    /// Regular expressions of its names, if they have groups.
    pub(crate) host_groups: Vec<Expression>,
    /// What the settings define for all sites.
    pub(crate) definitions: Arc<Definitions>,
    /// What the site does with each request, before a location is chosen.
    pub(crate) rules: Rules,
    locations: Locations,
    places: Vec<Arc<Location>>,
    named: HashMap<Box<str>, usize>,
    /// The location that answers if no other matches.
    otherwise: Arc<Location>,
    /// Answers with 500 where it cannot be known which location a path belongs to.
    unknown: Arc<Location>,
}

/// One location's settings, ready for use.
pub(crate) struct Location {
    pub(crate) site: Arc<str>,
    pub(crate) files: Option<Arc<FileSettings>>,
    pub(crate) expires: Expires,
    pub(crate) access_log: bool,
    pub(crate) log_not_found: bool,
    pub(crate) nosniff: bool,
    pub(crate) pool: Option<Arc<str>>,
    /// Which pool or server answers, where that depends on the request.
    pub(crate) pool_choice: Option<PoolChoice>,
    /// What the application gets in place of a path's beginning.
    pub(crate) pool_path: Option<PoolPath>,
    /// How long it may take; zero: as long as the edge's setting says.
    pub(crate) timeout: Duration,
    pub(crate) reply_rewrite: Option<ReplyRewrite>,
    pub(crate) changes: ReplyChanges,
    /// What the application is asked in place of what the client asks.
    pub(crate) pool_request: Option<Box<PoolRequestConfig>>,
    /// What the adapter is told with each request.
    pub(crate) told: Option<Box<ToldRules>>,
    /// Interim replies 103 are passed on unless this is empty or "0".
    pub(crate) early_hints: Option<Template>,
    pub(crate) priority: Priority,
    /// Request bodies go to the application as they arrive.
    pub(crate) stream_body: bool,
    /// The reply goes to the client at its pace, nothing of it is put aside.
    pub(crate) stream_reply: bool,
    pub(crate) ignore_client_abort: bool,
    /// The name of a set of the pool's variables.
    pub(crate) variables: Arc<str>,
    /// Who is believed about the client here, if that is not everywhere the same.
    pub(crate) real_ip: Option<Box<RealIp>>,
    /// What the settings define for all sites.
    pub(crate) definitions: Arc<Definitions>,
    /// Answers with figures.
    pub(crate) stub_status: bool,
    /// Answers no request from outside.
    pub(crate) internal: bool,
    pub(crate) cache: Option<Arc<Policy>>,
    /// What the cache makes of a request besides.
    pub(crate) cache_conditions: Option<Box<CacheConditions>>,
    pub(crate) max_body: u64,
    /// How long a body may be for `$request_body`; 0: it has no value.
    pub(crate) body_buffer: u64,
    /// Which bodies go to a file first.
    pub(crate) body_file: BodyFiles,
    /// What happens to the fields of replies, and of requests to the application.
    pub(crate) reply_fields: Option<Arc<ReplyFields>>,
    pub(crate) request_fields: Option<Arc<RequestFields>>,
    /// The access logs that the settings add.
    pub(crate) logs: Option<Arc<[LogRule]>>,
    /// Where lines about requests here go; `None`: to the process's log.
    pub(crate) error_logs: Option<Arc<[ErrorLogRule]>>,
    /// Variables that get a value when a request gets here, before the rules.
    pub(crate) sets: Option<Arc<VariableSets>>,
    /// What is compressed here.
    pub(crate) compress: Option<Arc<Compress>>,
    /// Who may ask.
    pub(crate) access: Option<Access>,
    /// Links that only who knows a secret can make.
    pub(crate) secure_link: Option<Arc<SecureLink>>,
    /// How long a refusal with 401 takes.
    pub(crate) auth_delay: Duration,
    /// The page that decides who may ask.
    pub(crate) auth_check: Option<AuthCheck>,
    /// How much one may ask for.
    pub(crate) limits: LocationLimits,
    /// More ranges than this are ignored.
    pub(crate) max_ranges: Option<usize>,
    /// Bytes of a reply in a second, 0 for any number, and how many come before that.
    pub(crate) limit_rate: (u64, u64),
    /// Both, where they depend on the request.
    pub(crate) rates: Option<Box<Rates>>,
    /// Requests for it need no rule: the fast path may answer them.
    pub(crate) is_direct: bool,
    /// The `match`, if it has groups.
    pub(crate) groups: Option<Expression>,
    pub(crate) rules: Rules,
    /// The only methods that are answered; empty: all.
    pub(crate) methods: Vec<Box<str>>,
    pub(crate) try_files: Option<TryFiles>,
    /// The index, where one of its names depends on the request or is another page.
    pub(crate) index: Vec<Template>,
    /// Files in a directory whose name has variables.
    pub(crate) varying: Option<VaryingFiles>,
    /// What `$document_root` stands for, and the application's DOCUMENT_ROOT.
    pub(crate) document_root: Arc<DocumentRoot>,
    pub(crate) types: MediaTypes,
    pub(crate) error_pages: ErrorPages,
    /// `error_pages` are for the application's replies too.
    pub(crate) intercept_errors: bool,
    /// Pages of errors here have pages of errors too.
    pub(crate) recursive_errors: bool,
    pub(crate) redirects: RedirectForm,
    pub(crate) metrics: Arc<LocationMetrics>,
}

/// What becomes of the replies of a location.
#[derive(Debug, Default)]
pub(crate) struct ReplyChanges {
    /// Texts in bodies that are replaced.
    pub(crate) replace: Option<Box<ReplaceRule>>,
    /// The charset of replies.
    pub(crate) recode: Option<Box<RecodeRule>>,
    /// Fields that follow a body.
    pub(crate) trailers: Option<Box<Trailers>>,
    /// Bodies in gzip are decompressed for clients that do not accept it.
    pub(crate) gunzip: bool,
}

impl ReplyChanges {
    /// Whether a body is not sent as it is.
    pub(crate) fn bodies(&self) -> bool {
        self.replace.is_some() || self.recode.is_some() || self.gunzip
    }

    /// Whether a part of a reply can be sent only as a part of what is made of the whole.
    pub(crate) fn need_whole_bodies(&self) -> bool {
        self.replace.is_some() || self.recode.as_ref().is_some_and(|rule| rule.changes_length())
    }
}

impl Location {
    /// The fast path knows too little of a request to answer it here.
    pub(crate) fn needs_whole_request(&self) -> bool {
        self.reply_fields.as_ref().is_some_and(|fields| fields.needs_request())
            || self.request_fields.as_ref().is_some_and(|fields| fields.changes_key())
            || self.cache_conditions.is_some()
            || self.changes.bodies()
            || self.changes.trailers.is_some()
            || self.logs.iter().flat_map(|logs| logs.iter()).any(LogRule::needs_whole_request)
    }

    /// The facts, with the variables that the settings define.
    pub(crate) fn defined<'a>(&'a self, facts: Facts<'a>) -> Facts<'a> {
        Facts { route: RouteFacts { definitions: Some(&*self.definitions), ..facts.route }, ..facts }
    }

    /// Whether another page may answer instead of an error here; `last`: the request is for such a page, and
    /// no other one follows.
    pub(crate) fn has_pages(&self, last: bool) -> bool {
        !self.error_pages.is_empty() && !last
    }

    /// Whether another page answers instead of a reply of the application's with this status.
    pub(crate) fn intercepts(&self, status: http::StatusCode) -> bool {
        self.intercept_errors && self.error_pages.of(status).is_some()
    }
}

/// The place that a request belongs to.
#[derive(Clone, Copy)]
pub(crate) enum RouteMatch<'a> {
    Location(&'a Site, &'a Arc<Location>),
    /// The path is "/x" and only "/x/" is a location with a pool: redirect, as nginx does.
    AddSlash(&'a Arc<Location>),
}

impl Sites {
    /// All access logs that the settings add.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &LogRule> {
        let places = self.sites.iter().flat_map(Site::all_places);
        places.flat_map(|place| place.logs.iter()).flat_map(|logs| logs.iter())
    }

    /// All error logs of sites and locations.
    pub(crate) fn error_logs(&self) -> impl Iterator<Item = &ErrorLogRule> {
        let places = self.sites.iter().flat_map(Site::all_places);
        places.flat_map(|place| place.error_logs.iter()).flat_map(|logs| logs.iter())
    }

    pub(crate) fn has_error_logs(&self) -> bool {
        self.has_error_logs
    }

    /// Whether variables are computed from requests whose replies are there already.
    pub(crate) fn keeps_requests(&self) -> bool {
        self.keeps_requests
    }

    /// Whether `$request_body` is wanted anywhere.
    pub(crate) fn keeps_bodies(&self) -> bool {
        self.keeps_bodies
    }

    /// Whether pages of any place are kept. Looks at all places: not for each request.
    pub(crate) fn keeps_pages(&self) -> bool {
        self.sites.iter().flat_map(Site::all_places).any(|place| place.cache.is_some())
    }

    pub(crate) fn compresses(&self) -> bool {
        self.compresses
    }

    /// Whether interim replies of applications are passed on anywhere.
    pub(crate) fn wants_hints(&self) -> bool {
        self.wants_hints
    }

    /// `listener`: its index in `edge.listen`.
    pub(crate) fn choose(&self, listener: u16, host: &str) -> &Site {
        // `build` made a table for each listener; the names index into the list of sites.
        let chosen = self.names[usize::from(listener)].choose(host);
        chosen.and_then(|site| self.sites.get(site)).unwrap_or(&self.unknown)
    }

    /// Whether a trusted proxy that asks for one host may say that its client has asked for the other: not if
    /// that leads away from a site that the first one names. Many balancers hand on what clients write into
    /// X-Forwarded-Host, and what they guard by its host would be walked past.
    pub(crate) fn may_be_told(
        &self,
        rule: ForwardedHost,
        listener: u16,
        (asked, told): (&str, &str),
    ) -> bool {
        let names = &self.names[usize::from(listener)];
        match (rule, names.named(asked)) {
            (ForwardedHost::Off, _) | (_, Err(_)) => false,
            (ForwardedHost::ChoosesSite, Ok(None)) => true,
            _ => names.choose(asked) == names.choose(told),
        }
    }

    /// The sites that answer this host, on any listener.
    pub(crate) fn all_of(&self, host: &str) -> impl Iterator<Item = &Site> {
        let mut chosen: Vec<usize> = self.names.iter().filter_map(|names| names.choose(host)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen.into_iter().filter_map(|site| self.sites.get(site))
    }

    /// The request arrived on a connection that was made for a site with another certificate. HTTP/2 clients
    /// use one connection for all names in a certificate; other names are not served on it (RFC 9110 section
    /// 15.5.20).
    pub(crate) fn misdirected(&self, listener: u16, sni: Option<&str>, host: Option<&Authority<'_>>) -> bool {
        let (true, Some(sni), Some(host)) = (self.several_certificates, sni, host) else { return false };
        let (shown_of, wanted_of) = (self.choose(listener, sni), self.choose(listener, host.as_str()));
        match (self.certificate(listener, shown_of), self.certificate(listener, wanted_of)) {
            (Some(SiteCertificate::Files(shown)), Some(SiteCertificate::Files(wanted))) => !shown.is(wanted),
            (Some(SiteCertificate::Auto), Some(SiteCertificate::Auto)) => !std::ptr::eq(shown_of, wanted_of),
            (shown, wanted) => shown.is_some() || wanted.is_some(),
        }
    }

    /// The certificate of a site on this listener; `None`: the listener's own.
    pub(crate) fn certificate<'a>(&'a self, listener: u16, site: &'a Site) -> Option<&'a SiteCertificate> {
        let auto = self.auto.get(usize::from(listener)).is_some_and(|auto| *auto);
        site.certificate.as_ref().or(auto.then_some(&SiteCertificate::Auto))
    }
}

impl Location {
    /// Whether it sets variables, checks links or has rules, which may change the request.
    pub(crate) fn acts(&self) -> bool {
        self.groups.is_some() || self.sets.is_some() || self.secure_link.is_some() || !self.rules.is_empty()
    }

    /// Whether not every request here is answered.
    pub(crate) fn is_guarded(&self) -> bool {
        self.access.is_some() || self.auth_check.is_some() || !self.limits.is_empty()
    }

    /// Whether the fast path may answer this client: nothing has to be counted, asked or delayed.
    pub(crate) fn answers_at_once(&self, client: IpAddr) -> bool {
        self.limit_rate.0 == 0
            && self.rates.is_none()
            && self.limits.is_empty()
            && self.auth_check.is_none()
            && self.access.as_ref().is_none_or(|access| access.allows_address(client))
    }
}
