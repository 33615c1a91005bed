//! The request fields that are known without a word in the settings.

use super::FieldClass;

/// Credentials and identities. Unknown fields are personal as well; these are listed so that no pattern below
/// takes them for something else.
#[rustfmt::skip]
const PERSONAL: &[&str] = &[
    // Keys and tokens
    "x-api-key", "api-key", "apikey", "x-auth-token", "x-access-token", "x-session-*", "private-token", "job-token",
    "dpop", "x-csrftoken", "x-csrf-token", "x-xsrf-token", "signature", "signature-input", "x-amz-security-token",
    // Who a proxy in front has signed in, or which certificate it has seen
    "remote-user", "x-remote-user", "x-remote-group*", "x-auth-request-*", "x-webauth-*", "x-forwarded-user",
    "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-access-token",
    "x-forwarded-client-cert", "x-forwarded-tls-client-cert*", "client-cert", "client-cert-chain", "ssl-client-*",
    "x-ssl-*", "x-amzn-oidc-*", "x-amzn-mtls-*", "cf-access-*", "x-goog-iap-*", "x-goog-authenticated-user-*",
    "x-ms-client-principal*", "x-ms-token-*", "x-arr-clientcert", "x-appengine-user-email", "x-appengine-user-id",
    "x-appengine-user-is-admin", "x-appengine-user-nickname", "x-appengine-user-organization", "tailscale-user-*",
];

/// Fields by which scripts ask for another form of a page, and those by which a trusted proxy says under
/// which scheme, host and path the site is known. Few values each.
#[rustfmt::skip]
const SPLIT: &[&str] = &[
    "x-requested-with", "origin", "accept-version", "api-version", "x-api-version", "service-worker-navigation-preload",
    // htmx, Unpoly, pjax, Turbo, Inertia, Alpine AJAX, Datastar
    "hx-request", "hx-boosted", "hx-target", "hx-trigger", "hx-trigger-name", "hx-current-url",
    "hx-history-restore-request", "x-up-version", "x-up-target", "x-up-fail-target", "x-up-mode", "x-up-fail-mode",
    "x-up-context", "x-pjax", "x-pjax-container", "x-pjax-version", "turbo-frame", "x-inertia", "x-inertia-version",
    "x-inertia-partial-component", "x-inertia-partial-data", "x-inertia-partial-except", "x-inertia-reset",
    "x-inertia-error-bag", "x-alpine-request", "x-alpine-target", "datastar-request",
    // From a trusted proxy
    "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto", "x-forwarded-protocol",
    "x-forwarded-scheme", "x-forwarded-ssl", "x-scheme", "x-url-scheme", "x-https", "front-end-https", "fastly-ssl",
    "cloudfront-forwarded-proto", "x-script-name",
    // Kinds of devices, where CloudFront is told to tell them
    "cloudfront-is-android-viewer", "cloudfront-is-desktop-viewer", "cloudfront-is-ios-viewer",
    "cloudfront-is-mobile-viewer", "cloudfront-is-smarttv-viewer", "cloudfront-is-tablet-viewer",
];

/// Fields by which a standard lets a server choose what it sends: content negotiation with User-Agent (RFC
/// 9110 section
/// 12.5 and 12.1), client hints (RFC 8942), Prefer (RFC 7240), Accept-Datetime (RFC 7089), and the wish not
/// to be tracked. A reply that is chosen by one of them says so in Vary.
#[rustfmt::skip]
const VARY: &[&str] = &[
    "accept", "accept-charset", "accept-encoding", "accept-language", "accept-datetime", "user-agent", "prefer",
    "dnt", "sec-gpc", "save-data", "sec-ch-ua", "sec-ch-ua-arch", "sec-ch-ua-bitness", "sec-ch-ua-form-factors",
    "sec-ch-ua-full-version", "sec-ch-ua-full-version-list", "sec-ch-ua-mobile", "sec-ch-ua-model", "sec-ch-ua-platform",
    "sec-ch-ua-platform-version", "sec-ch-ua-wow64", "sec-ch-prefers-color-scheme", "sec-ch-prefers-reduced-motion",
    "sec-ch-prefers-reduced-transparency", "sec-ch-device-memory", "sec-ch-dpr", "sec-ch-viewport-height",
    "sec-ch-viewport-width", "sec-ch-width", "device-memory", "dpr", "viewport-width", "width", "downlink", "ect", "rtt",
];

#[rustfmt::skip]
const IGNORE: &[&str] = &[
    // The cache answers these itself, from the whole page; what one visitor wants of caches is not what all
    // want.
    "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range", "cache-control",
    "pragma", "expect", "content-length", "content-type", "max-forwards", "date", "from", "early-data", "want-*",
    // Another method, host or target than the one in the key
    "x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-original-uri",
    "x-original-host", "x-rewrite-url", "x-host",
    // Browsers
    "referer", "sec-*", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-storage-access",
    "sec-fetch-user", "sec-purpose", "sec-websocket-key", "upgrade-insecure-requests", "priority", "purpose", "x-purpose", "x-moz", "alt-used",
    "service-worker", "x-turbo-request-id", "x-client-data", "x-playback-session-id", "icy-metadata", "cookie2",
    "available-dictionary", "dictionary-id", "amp-cache-transform", "x-operamini-*", "x-ucbrowser-ua",
    "device-stock-ua", "x-wap-profile", "ua-cpu", "x-p2p-*",
    "x-fb-http-engine",
    // The client's address, and the way that its request took
    "forwarded", "via", "x-forwarded-for", "x-forwarded-by", "x-forwarded-server", "x-original-forwarded-for",
    "x-real-ip", "x-client-ip", "client-ip", "true-client-ip", "x-cluster-client-ip", "x-originating-ip", "x-remote-ip",
    "x-remote-addr", "x-real-port", "x-nginx-proxy", "x-bluecoat-via", "x-envoy-*", "x-request-start", "x-queue-start", "connect-time", "total-route-time",
    // Tracing
    "traceparent", "tracestate", "baggage", "b3", "x-b3-*", "x-request-id", "x-correlation-id", "x-unique-id",
    "x-trace-id", "x-kong-request-id", "x-appgw-trace-id", "rndr-id", "uber-trace-id", "uberctx-*", "x-ot-*", "ot-tracer-*", "x-cloud-trace-context", "grpc-trace-bin",
    "sentry-trace", "x-datadog-*", "newrelic", "x-newrelic-*", "elastic-apm-traceparent", "x-instana-*",
    // Networks in front of us: Cloudflare, CloudFront and AWS, Fastly, Akamai, Azure, Google, Netlify,
    // Vercel, others
    "cdn-loop", "surrogate-capability", "cf-*", "cloudfront-*", "x-amz-cf-*", "x-amzn-*", "fastly-*", "x-varnish",
    "x-timer", "akamai-*", "x-akamai-*", "x-edgeconnect-*", "x-azure-*", "x-fd-*", "x-arr-*", "disguised-host",
    "was-default-hostname", "x-site-deployment-id", "x-waws-*", "x-appengine-*", "x-nf-*", "x-vercel-*", "x-sucuri-*",
    "x-appengine-api-ticket", "x-appengine-auth-domain", "x-appengine-user-ip", "x-appservice-proto", "x-liveupgrade",
    "x-client-port", "x-forwarded-tlsversion", "x-nf-account-id", "x-nf-account-tier",
    "x-vercel-proxy-signature", "x-vercel-proxy-signature-ts", "incap-client-ip", "x-cdn", "x-country-code", "x-geo-*", "x-geoip-*",
    // Fly.io, DigitalOcean, bunny.net, KeyCDN, Alibaba Cloud, Tencent EdgeOne, Render, Railway, Clever Cloud,
    // OpenShift
    "fly-client-ip", "fly-forwarded-port", "fly-forwarded-proto", "fly-forwarded-ssl", "fly-region", "fly-request-id",
    "do-connecting-ip", "cdn-bot", "cdn-connectionid", "cdn-ja4", "cdn-loopcount", "cdn-pullzoneid",
    "cdn-requestcountrycode", "cdn-requestid", "cdn-requeststatecode", "cdn-serverid", "cdn-serverzone", "x-pull",
    "ali-cdn-real-ip", "ali-cdn-real-port", "eo-connecting-ip", "fly-traceparent", "fly-tracestate", "render-proxy-ttl",
    "x-railway-edge", "x-railway-request-id", "sozu-id", "x-forwarded-proto-version",
];

/// Every class with its names, as the program prints them.
pub const LISTS: &[(FieldClass, &[&str])] = &[
    (FieldClass::Personal, PERSONAL),
    (FieldClass::Split, SPLIT),
    (FieldClass::Vary, VARY),
    (FieldClass::Ignore, IGNORE),
];
