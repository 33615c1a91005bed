//! The cookies that are known without a word in the settings.

use super::CookieClass;

/// Sessions and logins. Unknown cookies are personal as well; these are listed so that no pattern below takes
/// them for something else.
#[rustfmt::skip]
const PERSONAL: &[&str] = &[
    // Django, Flask, Flask-Login, Pyramid, Tornado
    "sessionid", "messages", "session", "remember_token", "auth_tkt", "user",
    // PHP, WordPress, Drupal, Laravel
    "PHPSESSID", "wordpress_*", "wp-settings-*", "SESS*", "SSESS*", "laravel_session", "remember_web_*",
    // Java, .NET, Ruby, Node
    "JSESSIONID", "ASP.NET_SessionId", ".AspNetCore.*", ".ASPXAUTH", "_session_id", "rack.session", "connect.sid",
    "__Host-*", "__Secure-*",
];

/// The visitor's choice of language, and of a banner that the application itself renders: a page that is made
/// without the cookie shows the banner to all, for ever.
#[rustfmt::skip]
const SPLIT: &[&str] = &[
    "django_language", "language", "lang", "locale", "_LOCALE_", "NEXT_LOCALE", "i18n_redirected", "i18next",
    "pll_language", "wp-wpml_current_language",
    "cookie_consent", "cookieconsent_status", "cookielaw_accepted", "cookie_notice_accepted",
];

#[rustfmt::skip]
const IGNORE: &[&str] = &[
    // CSRF: the application does not see it, so no page to be shared can hold its token.
    "csrftoken", "csrf_token", "_csrf", "XSRF-TOKEN", "_xsrf",
    // Google
    "_ga", "_ga_*", "_gid", "_gat", "_gat_*", "_gac_*", "_gcl_*", "__utm*", "__gads", "__gpi", "__eoi", "_dc_gtm_*",
    // Meta, Microsoft, TikTok, LinkedIn, Pinterest, Snap, X, Reddit
    "_fbp", "_fbc", "_uetsid", "_uetvid", "_clck", "_clsk", "_ttp", "_tt_*", "ttcsid*", "li_fat_id", "_pin_unauth",
    "_derived_epik", "_epik", "_scid", "_scid_r", "_twpid", "_rdt_uuid",
    // Matomo, Hotjar and other measuring
    "_pk_id*", "_pk_ses*", "_pk_ref*", "mtm_*", "_hj*", "ajs_anonymous_id", "amplitude_id_*", "AMP_*", "mp_*_mixpanel",
    "ph_*_posthog", "optimizely*", "_vwo_*", "_vis_opt_*", "__hstc", "__hssc", "__hssrc", "hubspotutk", "_mkto_trk",
    "_dd_s", "s_cc", "s_sq", "s_vi", "AMCV_*", "AMCVS_*", "_parsely_*", "_cb", "_chartbeat2", "__qca", "_ym_*",
    // Our own: which server answers (`sticky`) is no part of the page, and named values are filled in later.
    "weir_server", "weir_values",
    // Networks in front of us
    "__cf_bm", "_cfuvid", "__cfduid", "AWSALB", "AWSALBCORS", "AWSALBTG*", "incap_ses_*", "visid_incap_*", "nlbi_*",
    "ak_bmsc", "bm_sz", "bm_sv", "_abck",
    // Consent that a script in the page asks for; what the application asks for is in SPLIT.
    "OptanonConsent", "OptanonAlertBoxClosed", "CookieConsent",
    "CookieLawInfoConsent", "cookielawinfo-*", "cookieyes-consent", "euconsent*", "eupubconsent*", "didomi_token",
    "borlabs-cookie", "cmplz_*", "moove_gdpr_popup", "real_cookie_banner*", "tarteaucitron", "klaro",
    "usprivacy", "__cmp*",
];

/// Every class with its names, as the program prints them.
pub const LISTS: &[(CookieClass, &[&str])] =
    &[(CookieClass::Personal, PERSONAL), (CookieClass::Split, SPLIT), (CookieClass::Ignore, IGNORE)];
