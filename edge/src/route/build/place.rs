//! Makes a location, as far as sites can say the same, too.

use std::sync::Arc;
use std::time::Duration;

use http_cache::Policy;
use process::units::Size;
use weir_proto::origin::Priority;

use crate::coding::rule::Compress;
use crate::fields::reply::ReplyFields;
use crate::fields::request::RequestFields;
use crate::files::media_type::MediaTypes;
use crate::route::build::SiteBuilder;
use crate::route::build::files::FilesAt;
use crate::route::build::outer::OuterPlace;
use crate::route::error_logs::ErrorLogRule;
use crate::route::error_page::ErrorPages;
use crate::route::redirects::RedirectForm;
use crate::route::rules::Rules;
use crate::route::try_files::TryFiles;
use crate::route::{Location, RealIp, error_logs, listeners};
use crate::settings::expires::Expires;
use crate::settings::{ExpiresSetting, PlaceConfig};

impl SiteBuilder<'_> {
    /// A location with all that sites can say too.
    pub(super) fn place(&mut self, path: &str, inner: &OuterPlace<'_>, at: Option<FilesAt>) -> Location {
        let place = &inner.place;
        let types = self.types(path, inner).with_charset(inner.place.charset.clone().unwrap_or_default());
        let document_root = self.document_root(path, inner, at.as_ref());
        let try_files = self.try_files(path, inner);
        // A pool needs the place of the files too if there is `try_files`.
        let wanted = place.pool.is_none() || try_files.is_some();
        let (files, varying) = self.files(path, inner, at.filter(|_| wanted), &types);
        let cache = self.cache(path, inner);
        let reply_fields = self.reply_fields(path, inner);
        let request_fields = self.request_fields(inner, cache.as_deref());
        let secure_link = self.secure_link(path, inner);
        let is_apart = secure_link.is_some() || try_files.is_some() || varying.is_some();
        Location {
            site: self.name.clone(),
            files,
            expires: place.expires.as_ref().and_then(ExpiresSetting::fixed).unwrap_or(Expires::Off),
            access_log: place.access_log.unwrap_or(true),
            log_not_found: place.log_not_found.unwrap_or(true),
            nosniff: place.nosniff.unwrap_or(true),
            pool: place.pool.as_deref().map(Arc::from),
            pool_choice: self.pool_choice(path, inner),
            pool_path: None,
            timeout: place.timeout.map_or(Duration::ZERO, |time| time.0),
            reply_rewrite: self.reply_rewrite(path, inner),
            changes: self.changes(path, inner),
            pool_request: self.pool_request(path, inner),
            told: self.told(path, inner),
            early_hints: self.early_hints(path, inner),
            priority: place.priority.map_or(Priority::Normal, Priority::from),
            stream_body: !place.request_buffering.unwrap_or(true),
            stream_reply: !place.buffering.unwrap_or(true),
            ignore_client_abort: place.ignore_client_abort.unwrap_or(false),
            variables: place.variables.as_deref().unwrap_or_default().into(),
            real_ip: real_ip(place).map(Box::new),
            definitions: self.variables.definitions.clone(),
            stub_status: false,
            internal: inner.internal,
            cache_conditions: self.cache_conditions(path, inner, request_fields.as_deref(), &document_root),
            cache,
            max_body: place.max_body.map_or(1 << 20, |size| size.0),
            body_buffer: place.body_buffer.map_or(0, |size| size.0),
            body_file: place.body_file.unwrap_or_default(),
            reply_fields,
            request_fields,
            logs: inner.logs.clone(),
            error_logs: self.error_logs(path, inner),
            sets: None,
            compress: self.compress(path, inner),
            access: self.access(path, inner),
            secure_link,
            auth_delay: place.auth_delay.map_or(Duration::ZERO, |time| time.0),
            auth_check: self.auth_check(path, inner),
            limits: self.limits(path, inner),
            max_ranges: place.max_ranges,
            limit_rate: limit_rate(place),
            rates: self.rates(path, inner),
            is_direct: is_direct(inner) && !is_apart,
            groups: None,
            rules: Rules::default(),
            methods: methods(place),
            try_files,
            index: self.index(path, inner),
            varying,
            document_root: document_root.into(),
            types,
            error_pages: self.error_pages(path, inner),
            intercept_errors: place.intercept_errors.unwrap_or(false),
            recursive_errors: place.recursive_error_pages.unwrap_or(false),
            redirects: redirects(place),
            metrics: self.metrics.location(&self.name, "-"),
        }
    }

    fn try_files(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<TryFiles> {
        let settings = inner.try_files.as_ref()?;
        TryFiles::new(&inner.at(path, "try_files"), settings, &self.variables.names, self.mistakes)
    }

    fn cache(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<Policy>> {
        let place = &inner.place;
        let cache = place.cache.as_ref().filter(|cache| cache.enabled && place.pool.is_some())?;
        let policy = cache.policy(&inner.at(path, "cache"), self.mistakes);
        Some(Arc::new(Policy { apart: listeners::mark(self.site), ..policy }))
    }

    fn reply_fields(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<ReplyFields>> {
        let at = inner.at(path, "expires");
        let expires = inner.place.expires.as_ref().map(|setting| (at.as_str(), setting));
        self.variables.reply_fields(self.edge, &inner.around, expires, self.mistakes)
    }

    fn request_fields(
        &mut self,
        inner: &OuterPlace<'_>,
        policy: Option<&Policy>,
    ) -> Option<Arc<RequestFields>> {
        inner.place.pool.as_ref()?;
        self.variables.request_fields(self.edge, &inner.around, policy, self.mistakes)
    }

    fn types(&mut self, path: &str, inner: &OuterPlace<'_>) -> MediaTypes {
        let PlaceConfig { types, default_type, .. } = &inner.place;
        MediaTypes::new(types.iter().flatten(), default_type.as_deref()).unwrap_or_else(
            |(extension, text)| {
                let at = match extension {
                    Some(extension) => format!("{}.{extension}", inner.at(path, "types")),
                    None => inner.at(path, "default_type"),
                };
                self.mistakes.push(at, text);
                MediaTypes::default()
            },
        )
    }

    fn error_pages(&mut self, path: &str, inner: &OuterPlace<'_>) -> ErrorPages {
        let pages = inner.place.error_page.as_ref().map(|pages| {
            ErrorPages::new(&inner.at(path, "error_page"), pages, &self.variables.names, self.mistakes)
        });
        pages.unwrap_or_default()
    }

    fn compress(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<Compress>> {
        let own = inner.place.compress.as_ref().map(|own| (inner.at(path, "compress"), own));
        let (path, config) = own.or_else(|| Some(("edge.compress".into(), self.edge.compress.as_ref()?)))?;
        config.rule(&path, self.mistakes).map(Arc::new)
    }

    fn error_logs(&mut self, path: &str, inner: &OuterPlace<'_>) -> Option<Arc<[ErrorLogRule]>> {
        error_logs::build(&inner.at(path, "error_log"), inner.place.error_log.as_deref(), self.mistakes)
    }
}

/// Whether nothing that is inherited keeps the fast path from answering here.
fn is_direct(inner: &OuterPlace<'_>) -> bool {
    let place = &inner.place;
    inner.is_direct
        && !inner.internal
        && real_ip(place).is_none()
        && place.max_ranges.is_none()
        && place.limit_except.as_ref().is_none_or(Vec::is_empty)
}

/// Who is believed about the client, where a place says so.
fn real_ip(place: &PlaceConfig) -> Option<RealIp> {
    let own = RealIp {
        proxies: place.trusted_proxies.as_ref().map(|networks| networks.0.clone()),
        field: place.real_ip_header.clone(),
        recursive: place.real_ip_recursive,
    };
    (own.proxies.is_some() || own.field.is_some() || own.recursive.is_some()).then_some(own)
}

/// The only methods that are answered.
fn methods(place: &PlaceConfig) -> Vec<Box<str>> {
    place.limit_except.iter().flatten().map(|method| method.as_str().into()).collect()
}

/// Bytes in a second, and how many come before that.
fn limit_rate(place: &PlaceConfig) -> (u64, u64) {
    let bytes = |size: Option<Size>| size.map_or(0, |size| size.0);
    (bytes(place.limit_rate), bytes(place.limit_rate_after))
}

fn redirects(place: &PlaceConfig) -> RedirectForm {
    RedirectForm {
        absolute: place.absolute_redirect.unwrap_or(false),
        server_name: place.server_name_in_redirect.unwrap_or(false),
        port: place.port_in_redirect.unwrap_or(true),
    }
}
