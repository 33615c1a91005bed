//! `[[edge.site]]` and `[[edge.site.location]]`: what each says of its own, and what a site says for all of
//! its locations, and a location for those inside it.

use std::collections::BTreeMap;

use process::units::{Size, Time};
use serde::Deserialize;

use crate::settings::autoindex::Autoindex;
use crate::settings::files::{Charset, Symlinks};
use crate::settings::network::Networks;
use crate::settings::rule::RuleConfig;
use crate::settings::site_listen::{DefaultServer, ListenerName};
use crate::settings::{
    AuthBasicConfig, AuthRequestConfig, BodyFiles, CacheConfig, CompressConfig, CorsConfig, ErrorLogConfig,
    ExpiresSetting, InheritFields, LimitConnConfig, LimitReqConfig, LogConfig, PoolChoiceConfig,
    PoolRequestConfig, Priority, RealIpHeader, RecodeConfig, ReplaceConfig, ReplyFieldConfig,
    ReplyRewriteConfig, RequestFieldConfig, Satisfy, SecureLinkConfig, Security, TlsSetting, TrailerConfig,
};
use crate::variables::Template;

/// Makes the types of sites and locations from what both can say. Each key that a place leaves out is what
/// the place around it says.
macro_rules! places {
    ($($(#[$about:meta])* $key:ident: $kind:ty,)*) => {
        /// One `[[edge.site]]`.
        #[derive(Clone, Debug, PartialEq, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct SiteConfig {
            pub server_name: Vec<String>,
            /// Which of the edge's listeners the site answers on; empty: all.
            pub listen: Vec<ListenerName>,
            /// Whether the site answers hosts that no site names. Without any, the first one does.
            pub default_server: DefaultServer,
            /// The certificate for this site's names, on every listener with TLS; without it, the listener's
            /// certificate is used.
            pub tls: Option<TlsSetting>,
            /// Answers each request to the site: nginx's `return`.
            pub r#return: Option<Template>,
            /// "REGEX REPLACEMENT FLAG", for each request to the site.
            pub rewrite: Vec<String>,
            /// What becomes of requests that meet conditions.
            pub rule: Vec<RuleConfig>,
            /// Files to look for, and what answers if there is none of them.
            pub try_files: Option<Vec<Template>>,
            /// Access logs in place of the outer `logs`.
            pub logs: Option<Vec<LogConfig>>,
            /// Fields added to replies, replaced or removed.
            pub reply_fields: Vec<ReplyFieldConfig>,
            /// Fields set in requests to the application, or removed.
            pub request_fields: Vec<RequestFieldConfig>,
            /// Whether `reply_fields` and `request_fields` follow the outer ones or replace them.
            pub inherit_fields: InheritFields,
            pub cors: Option<CorsConfig>,
            pub security: Option<Security>,
            /// Pairs of a variable and its value, set in this order.
            pub set: Vec<(String, Template)>,
            pub location: Vec<LocationConfig>,
            $($(#[$about])* pub $key: Option<$kind>,)*
        }

        /// One `[[edge.site.location]]`.
        #[derive(Clone, Debug, PartialEq, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct LocationConfig {
            /// nginx's five kinds: "= /x", "^~ /x", "~ re", "~* re", "/x"; or a name: "@x".
            #[serde(rename = "match")]
            pub pattern: String,
            /// Only requests that the application or a rule sends here are answered; others get 404.
            #[serde(default)]
            pub internal: bool,
            pub alias: Option<Template>,
            /// Answers with the number of connections and requests: nginx's `stub_status`.
            #[serde(default)]
            pub stub_status: bool,
            /// What the application gets in place of the part of the path that `match` names.
            pub pool_path: Option<String>,
            /// Answers each request: nginx's `return`.
            pub r#return: Option<Template>,
            /// "REGEX REPLACEMENT FLAG", in order.
            #[serde(default)]
            pub rewrite: Vec<String>,
            /// What becomes of requests that meet conditions.
            #[serde(default)]
            pub rule: Vec<RuleConfig>,
            /// Files to look for, and what answers if there is none of them.
            pub try_files: Option<Vec<Template>>,
            /// Access logs in place of the outer `logs`.
            pub logs: Option<Vec<LogConfig>>,
            /// Fields added to replies, replaced or removed.
            #[serde(default)]
            pub reply_fields: Vec<ReplyFieldConfig>,
            /// Fields set in requests to the application, or removed.
            #[serde(default)]
            pub request_fields: Vec<RequestFieldConfig>,
            /// Whether `reply_fields` and `request_fields` follow the outer ones or replace them.
            #[serde(default)]
            pub inherit_fields: InheritFields,
            pub cors: Option<CorsConfig>,
            pub security: Option<Security>,
            /// Pairs of a variable and its value, set in this order.
            #[serde(default)]
            pub set: Vec<(String, Template)>,
            /// Locations within this one.
            #[serde(default)]
            pub location: Vec<LocationConfig>,
            $($(#[$about])* pub $key: Option<$kind>,)*
        }

        /// What holds at a place: what it says itself, and what those around it say.
        #[derive(Clone, Debug, PartialEq, Default)]
        pub(crate) struct PlaceConfig {
            $(pub(crate) $key: Option<$kind>,)*
        }

        impl SiteConfig {
            pub(crate) fn place(&self) -> PlaceConfig {
                PlaceConfig { $($key: self.$key.clone(),)* }
            }
        }

        impl LocationConfig {
            /// What holds here, within `outer`. A place that says what answers takes no pool from there.
            pub(crate) fn within(&self, outer: &PlaceConfig) -> PlaceConfig {
                let place = PlaceConfig { $($key: self.$key.clone().or_else(|| outer.$key.clone()),)* };
                match self.says_what_answers() {
                    true => PlaceConfig {
                        pool: self.pool.clone(),
                        pool_choice: self.pool_choice.clone(),
                        ..place
                    },
                    false => place,
                }
            }
        }
    };
}

places! {
    root: Template,
    index: Vec<String>,
    /// Which symbolic links are followed: "inside" (those that end below root or alias) or "follow".
    symlinks: Symlinks,
    /// Send `name.br`, `name.zst` or `name.gz` beside a file to clients that take it.
    precompressed: bool,
    /// Which charset the type of text files names.
    charset: Charset,
    /// Files and texts say `X-Content-Type-Options: nosniff`.
    nosniff: bool,
    /// More ranges than this are ignored, and 0 ignores all.
    max_ranges: usize,
    /// Lists a directory that has no index file.
    autoindex: Autoindex,
    /// The media type of files whose name says none, and of texts.
    default_type: String,
    /// Media types by the name's extension.
    types: BTreeMap<String, String>,
    /// Which replies are compressed on the fly.
    compress: CompressConfig,
    expires: ExpiresSetting,
    /// False: requests here are not in the access log.
    access_log: bool,
    /// Where lines about requests here go, in place of the log of the process.
    error_log: Vec<ErrorLogConfig>,
    /// False: a missing file is not logged.
    log_not_found: bool,
    /// The pool of application servers, by its name in [wsgi_adapter].
    pool: String,
    /// Which pool or server answers, where that depends on the request.
    pool_choice: PoolChoiceConfig,
    /// How long the application may take until its reply begins, and between two parts of it.
    timeout: Time,
    /// What the application says of itself, in the words of the site.
    reply_rewrite: ReplyRewriteConfig,
    /// Texts in the bodies of replies that are replaced.
    replace: ReplaceConfig,
    /// The charset of replies.
    recode: RecodeConfig,
    /// Fields that follow the body of a reply.
    trailers: Vec<TrailerConfig>,
    /// What the application is asked in place of what the client asks.
    pool_request: PoolRequestConfig,
    /// The application's interim replies 103 are passed on, unless this is empty or "0".
    early_hints: Template,
    /// Whose requests go first if they must wait for a server: "high", "normal", "low".
    priority: Priority,
    /// False: bodies go to the application as they arrive, whatever the pool's setting says.
    request_buffering: bool,
    /// Replies are taken off the application as fast as it sends them, and wait in the adapter for slow
    /// clients.
    buffering: bool,
    /// True: the application's work continues although the client has closed its side of the connection.
    ignore_client_abort: bool,
    /// Which of the pool's `variable_sets` the application gets; empty: the pool's own variables.
    variables: String,
    /// What of a path names the script, and what follows it: a regex with two groups, for
    /// `$fastcgi_script_name` and `$fastcgi_path_info`.
    fastcgi_split_path_info: String,
    /// What `$fastcgi_script_name` adds to a path that ends in a slash.
    fastcgi_index: String,
    cache: CacheConfig,
    /// Who may ask, by address: "allow 10.0.0.0/8", "deny all"; the first that names the client decides.
    access: Vec<String>,
    /// Who may ask, by password.
    auth_basic: AuthBasicConfig,
    /// How long a refusal with 401 takes.
    auth_delay: Time,
    /// The page that decides who may ask.
    auth_request: AuthRequestConfig,
    /// The field in which trusted proxies name the client, here.
    real_ip_header: RealIpHeader,
    /// The proxies that are believed about the client here, in place of the edge's.
    trusted_proxies: Networks,
    /// False: the address that the last proxy has seen is the client, also if that is a proxy.
    real_ip_recursive: bool,
    /// Whether one of `access` and `auth_basic` is enough: "all" or "any".
    satisfy: Satisfy,
    /// Links that only who knows a secret can make.
    secure_link: SecureLinkConfig,
    /// How many requests may come in a time.
    limit_req: Vec<LimitReqConfig>,
    /// How many requests may be in progress.
    limit_conn: Vec<LimitConnConfig>,
    /// The bytes of a reply that are sent in a second; 0: no limit.
    limit_rate: Size,
    /// The first bytes of a reply, which are sent at any speed.
    limit_rate_after: Size,
    /// Both, where they depend on the request.
    limit_rate_by: Template,
    limit_rate_after_by: Template,
    /// The largest request body; larger bodies get 413.
    max_body: Size,
    /// How long a body may be for `$request_body`; 0: it has no value.
    body_buffer: Size,
    /// Which bodies go to a temporary file first, which `$request_body_file` names.
    body_file: BodyFiles,
    /// The only methods that are answered; others get 403. Empty: all.
    limit_except: Vec<String>,
    /// What answers instead of an error, by status.
    error_page: BTreeMap<String, Template>,
    /// `error_page` also replaces the application's own replies.
    intercept_errors: bool,
    /// Pages of errors that fail have pages of errors too.
    recursive_error_pages: bool,
    /// What the application has compressed with gzip is decompressed for clients that do not accept that.
    gunzip: bool,
    /// Redirects name scheme and host.
    absolute_redirect: bool,
    /// They name the site's first name, not the host that was asked for.
    server_name_in_redirect: bool,
    /// They name the port, unless it is the scheme's own.
    port_in_redirect: bool,
}

impl LocationConfig {
    /// A location with only its `match`.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), ..Self::default() }
    }

    /// Whether it says itself what answers, so that nothing of that is inherited.
    pub(crate) fn says_what_answers(&self) -> bool {
        self.pool.is_some()
            || self.root.is_some()
            || self.alias.is_some()
            || self.try_files.is_some()
            || self.r#return.is_some()
            || self.stub_status
    }
}
