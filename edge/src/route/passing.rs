//! Places at which a request only goes through, for its straight way.

use crate::route::{Location, Site};
use crate::settings::expires::Expires;

impl Location {
    /// Whether a GET or HEAD here goes to the application and its reply to the client without anything that
    /// looks at more of them than the head says. All settings are named: a new one has to be thought of.
    pub(crate) fn only_passes(&self) -> bool {
        #[rustfmt::skip]
        let Self {
            // They say what log and application are told, and who waits for what.
            site: _, access_log: _, timeout: _, priority: _, stream_body: _, stream_reply: _,
            ignore_client_abort: _, variables: _, definitions: _, document_root: _, metrics: _,
            // They are for files.
            files: _, log_not_found: _, nosniff: _, index: _, varying: _, types: _,
            // They are for bodies of requests.
            max_body: _, body_buffer: _, body_file: _,
            // They are for refusals, and for pages of errors.
            auth_delay: _, intercept_errors: _, recursive_errors: _,
            expires, pool, pool_choice, pool_path, reply_rewrite, changes, pool_request, told, early_hints,
            real_ip, stub_status, internal, cache, cache_conditions, reply_fields, request_fields, logs,
            error_logs, sets, compress, access, secure_link, auth_check, limits, max_ranges, limit_rate, rates,
            is_direct, groups, rules, methods, try_files, error_pages, redirects,
        } = self;
        *is_direct
            && pool.is_some()
            && cache.is_none()
            && *expires == Expires::Off
            && pool_choice.is_none()
            && pool_path.is_none()
            && reply_rewrite.is_none()
            && !changes.bodies()
            && changes.trailers.is_none()
            && pool_request.is_none()
            && told.is_none()
            && early_hints.is_none()
            && real_ip.is_none()
            && !(*stub_status || *internal)
            && cache_conditions.is_none()
            && reply_fields.is_none()
            && request_fields.is_none()
            && logs.is_none()
            && error_logs.is_none()
            && sets.is_none()
            && compress.is_none()
            && access.is_none()
            && secure_link.is_none()
            && auth_check.is_none()
            && limits.is_empty()
            && max_ranges.is_none()
            && *limit_rate == (0, 0)
            && rates.is_none()
            && groups.is_none()
            && rules.is_empty()
            && methods.is_empty()
            && try_files.is_none()
            && error_pages.is_empty()
            && !redirects.absolute
    }
}

impl Site {
    /// Whether nothing is done with a request before its location is chosen.
    pub(crate) fn only_passes(&self) -> bool {
        self.host_groups.is_empty() && self.sets.is_none() && self.rules.is_empty()
    }
}
