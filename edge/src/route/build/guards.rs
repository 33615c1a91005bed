//! What a place says about who may ask, and how much.

use std::sync::Arc;

use crate::access::Access;
use crate::access::secure_link::SecureLink;
use crate::limit::LocationLimits;
use crate::route::auth_check::AuthCheck;
use crate::route::build::SiteBuilder;
use crate::route::build::outer::OuterPlace;
use crate::settings::{self, AccessSettings, PlaceConfig};

impl SiteBuilder<'_> {
    pub(super) fn access(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Access> {
        let PlaceConfig { access, auth_basic, satisfy, .. } = &inner.place;
        let (access_at, basic_at) = (inner.at(path, "access"), inner.at(path, "auth_basic"));
        let (access, auth_basic) = (access.as_deref().unwrap_or_default(), auth_basic.as_ref());
        let settings = AccessSettings { access, auth_basic, satisfy: satisfy.unwrap_or_default() };
        settings.rules((&access_at, &basic_at), &self.variables.names, self.mistakes)
    }

    pub(super) fn auth_check(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<AuthCheck> {
        let at = inner.at(path, "auth_request");
        AuthCheck::build(&at, inner.place.auth_request.as_ref(), self.variables, self.mistakes)
    }

    pub(super) fn secure_link(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<SecureLink>> {
        let link = inner.place.secure_link.as_ref()?;
        Some(Arc::new(link.rule(&inner.at(path, "secure_link"), &self.variables.names, self.mistakes)))
    }

    pub(super) fn limits(&mut self, path: &str, inner: &OuterPlace<'_>) -> LocationLimits {
        let PlaceConfig { limit_req, limit_conn, .. } = &inner.place;
        let (requests, connections) =
            (limit_req.as_deref().unwrap_or_default(), limit_conn.as_deref().unwrap_or_default());
        let (requests_at, connections_at) = (inner.at(path, "limit_req"), inner.at(path, "limit_conn"));
        LocationLimits {
            requests: settings::request_limits(&requests_at, requests, self.zones, self.mistakes),
            connections: settings::connection_limits(&connections_at, connections, self.zones, self.mistakes),
        }
    }
}
