"""What to do about each reason for which a page is not cached, in one line."""

# Reasons that are nobody's mistake.
FINE = ("status", "method", "request-body", "partial", "streamed", "purged", "min-uses", "hit-for-miss", "target")

# The reply itself says more.
UNSAID = (None, "hit-for-miss", "uncacheable-reply")

ADVICE = {
    "csrf-token": "Use WeirMiddleware, which leaves a hole for the token, or load the form from a page of its own",
    "nonce": "Use WeirMiddleware outside the middleware of the policy: Weir fills in another nonce each time",
    "set-cookie": "Set no cookie on this page: SESSION_SAVE_EVERY_REQUEST = False; in Flask, do not touch the session",
    "private": 'Take Cache-Control: private (@never_cache, cache_control) away, or say @shared(ttl="1m")',
    "no-store": 'Take Cache-Control: no-store (@never_cache) away, or say @shared(ttl="1m")',
    "no-cache": 'Take Cache-Control: no-cache away, or say @shared(ttl="1m")',
    "expired": 'The page gives itself no lifetime (max-age=0, Expires): say @shared(ttl="1m")',
    "invalid-freshness": "Cache-Control makes no sense: correct it",
    "no-freshness": 'Give this status a lifetime: ttl = { "200" = "1s", "404" = "5s" }',
    "vary-star": "Take Vary: * away: it says that no two requests get one page",
    "vary": "Shorten Vary",
    "personal-cookie": '@shared(ttl="1m") on the view, as its page is the same for all',
    "not-shared": '@shared(ttl="1m") on the view, as its page is the same for all',
    "authorization": "Say Cache-Control: public if the page is for all who know the password",
    "personal-field": 'Name the field in fields = { ignore = ["…"] } if no page depends on it',
    "off": 'Give this location a cache: cache = { ttl = "1s" }',
    "bypass": "A bypass rule of the settings fires: look at `bypass`",
    "no-store-rule": "A no_store rule of the settings fires: look at `no_store`",
    "too-many-tags": "Give the page fewer tags than 256",
    "too-large": "Raise max_object, or show less on one page",
    "encoded-body": "Do not compress in the application (GZipMiddleware): Weir does it",
    "uncacheable-reply": "weir explain URL says why its reply cannot be stored",
    "x-accel-expires": "Take X-Accel-Expires: 0 away",
    "x-accel-redirect": "Take X-Accel-Redirect away, if the page is the same for all",
    "auth-request": "The page that decides may say Cache-Control: public if its answer is the same for all",
}
