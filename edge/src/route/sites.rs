//! All sites, and which of them a request belongs to.

use std::sync::Arc;

use http1::head::Authority;

use crate::route::error_logs::ErrorLogRule;
use crate::route::logs::LogRule;
use crate::route::server_names::ServerNames;
use crate::route::{Site, SiteCertificate};
use crate::settings::ForwardedHost;
use crate::tls::certificates::Certificates;

/// All sites, chosen by listener and host.
pub(crate) struct Sites {
    /// One table for each listener.
    pub(super) names: Vec<Arc<ServerNames>>,
    pub(super) sites: Vec<Site>,
    /// Answers with 500 where it cannot be known which site a host belongs to.
    pub(super) unknown: Site,
    pub(crate) certificates: Certificates,
    /// Whether certificates come by themselves, by listener.
    pub(super) auto: Vec<bool>,
    /// Some site has a certificate of its own.
    pub(super) several_certificates: bool,
    /// Some location needs the request when its reply is there.
    pub(super) keeps_requests: bool,
    /// Some location wants `$request_body`.
    pub(super) keeps_bodies: bool,
    /// Some location compresses replies.
    pub(super) compresses: bool,
    /// Some location passes interim replies on.
    pub(super) wants_hints: bool,
    /// Some location has error logs of its own.
    pub(super) has_error_logs: bool,
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
