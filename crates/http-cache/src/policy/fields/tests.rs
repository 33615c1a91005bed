//! Request fields by the built-in lists and the owner's.

use super::*;

fn rules(personal: &[&str], split: &[&str], vary: &[&str], ignore: &[&str]) -> Result<FieldRules, String> {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (personal, split, vary, ignore) = (own(personal), own(split), own(vary), own(ignore));
    FieldRules::new(&FieldLists {
        personal: &personal,
        split: &split,
        vary: &vary,
        ignore: &ignore,
        mentioned: &[],
    })
}

#[test]
fn the_defaults_know_what_browsers_scripts_and_networks_send() {
    let rules = FieldRules::default();
    let personal = "x-api-key x-auth-token x-access-token private-token dpop x-csrftoken x-session-id remote-user \
        x-remote-user x-auth-request-user x-forwarded-user cf-access-jwt-assertion x-amzn-oidc-data x-anything \
        x-forwarded-anything hx-prompt x x-amzn-lattice-identity x-vercel-oidc-token fastly-key x-akamai-user \
        sec-token-binding cf-cert-subject-dn x-appengine-user-id x-appengine-user-email x-appengine-user-anything";
    let split = "hx-request hx-boosted x-requested-with x-pjax turbo-frame x-inertia origin x-script-name \
        x-forwarded-proto x-forwarded-host";
    let vary = "accept accept-encoding accept-language user-agent sec-ch-ua sec-ch-ua-mobile dnt prefer";
    let ignore = "referer sec-fetch-site sec-ch-unheard-of priority upgrade-insecure-requests cf-ray cf-ipcountry \
        cf-connecting-ip x-amzn-trace-id traceparent x-request-id via forwarded x-forwarded-for fastly-client-ip \
        cloudfront-viewer-country x-real-ip range pragma x-http-method-override sec-fetch-user \
        fly-client-ip fly-region do-connecting-ip rndr-id x-appgw-trace-id x-azure-ref cdn-serverid x-pull \
        x-fb-http-engine ali-cdn-real-ip eo-connecting-ip x-kong-request-id x-nginx-proxy x-real-port \
        x-vercel-proxy-signature x-appengine-auth-domain x-appengine-user-ip x-appengine-country x-appservice-proto \
        x-arr-ssl x-forwarded-tlsversion render-proxy-ttl x-railway-edge sozu-id";
    for (class, names) in [
        (FieldClass::Personal, personal),
        (FieldClass::Split, split),
        (FieldClass::Vary, vary),
        (FieldClass::Ignore, ignore),
    ] {
        for name in names.split(' ').filter(|name| !name.is_empty()) {
            assert_eq!(rules.class(name.as_bytes()), class, "{name}");
        }
    }
    assert_eq!(rules.class(b""), FieldClass::Personal);
    assert!(rules.is_default());
}

#[test]
fn every_default_is_a_valid_pattern_and_stands_in_one_list() {
    let all: usize = defaults::LISTS.iter().map(|(_, names)| names.len()).sum();
    let globs = patterns::built_in(defaults::LISTS);
    assert_eq!(globs.len(), all);
    for (n, (glob, class)) in globs.iter().enumerate() {
        assert!(
            check(glob.as_str()).is_ok() && *glob.as_str() == glob.as_str().to_ascii_lowercase(),
            "{glob:?}"
        );
        let again = globs.iter().skip(n + 1).find(|(other, _)| other.as_str() == glob.as_str());
        assert!(again.is_none(), "{glob:?} is {class:?} and {again:?}");
    }
}

#[test]
fn the_owners_names_come_first_and_no_pattern_of_theirs_covers_a_credential() {
    let rules = rules(
        &["User-Agent", "x-a*"],
        &["CF-IPCountry", "x-ab"],
        &["X-Tenant", "x-remote-user"],
        &["x-*", "origin"],
    )
    .unwrap();
    let cases = [
        ("user-agent", FieldClass::Personal),
        ("cf-ipcountry", FieldClass::Split),
        ("cf-ray", FieldClass::Ignore),
        ("x-ab", FieldClass::Split),
        ("x-abc", FieldClass::Personal),
        ("x-tenant", FieldClass::Vary),
        ("x-api-key", FieldClass::Personal),
        ("x-remote-user", FieldClass::Vary),
        ("x-session-id", FieldClass::Personal),
        ("x-other", FieldClass::Ignore),
        ("origin", FieldClass::Ignore),
        ("y-other", FieldClass::Personal),
    ];
    for (name, class) in cases {
        assert_eq!(rules.class(name.as_bytes()), class, "{name}");
    }
    assert!(!rules.is_default());
}

#[test]
fn no_wildcard_covers_what_looks_like_a_credential() {
    let all = rules(&[], &["x-amzn-*"], &["*"], &["x-my-user*", "x-login-hint"]).unwrap();
    let cases = [
        ("x-user-token", FieldClass::Personal),
        ("x-shib-session", FieldClass::Personal),
        ("x-my-user-group", FieldClass::Personal),
        ("x-amzn-lattice-identity", FieldClass::Personal),
        // The settings name it, letter by letter.
        ("x-login-hint", FieldClass::Ignore),
        // Our lists do.
        ("user-agent", FieldClass::Vary),
        ("sec-fetch-user", FieldClass::Vary),
        ("x-inertia-error-bag", FieldClass::Vary),
        ("x-country", FieldClass::Vary),
        ("x-amzn-trace-id", FieldClass::Split),
    ];
    for (name, class) in cases {
        assert_eq!(all.class(name.as_bytes()), class, "{name}");
    }
}

#[test]
fn every_name_of_a_list_has_its_class() {
    let rules = FieldRules::default();
    for (class, names) in defaults::LISTS {
        for name in names.iter().filter(|name| !name.contains('*')) {
            assert_eq!(rules.class(name.as_bytes()), *class, "{name}");
        }
    }
}

#[test]
fn a_tie_goes_to_the_cautious_side() {
    let rules = rules(&["a"], &["a", "b"], &["a", "b", "c", "d"], &["a", "b", "c"]).unwrap();
    let expected = [FieldClass::Personal, FieldClass::Split, FieldClass::Ignore, FieldClass::Vary];
    for (name, class) in ["a", "b", "c", "d"].iter().zip(expected) {
        assert_eq!(rules.class(name.as_bytes()), class, "{name}");
    }
}

#[test]
fn what_a_rule_names_is_known() {
    let mentioned = ["X-Preview", "User-Agent", "X-API-Key"];
    let rules = FieldRules::new(&FieldLists { mentioned: &mentioned, ..FieldLists::default() }).unwrap();
    let cases = [
        ("x-preview", FieldClass::Ignore),
        ("user-agent", FieldClass::Vary),
        ("x-api-key", FieldClass::Personal),
    ];
    for (name, class) in cases {
        assert_eq!(rules.class(name.as_bytes()), class, "{name}");
    }
}

#[test]
fn refuses_what_has_rules_of_its_own() {
    for name in ["", "a b", "a:b", "Cookie", "Authorization", "host", "Connection", "TE"] {
        for lists in [rules(&[name], &[], &[], &[]), rules(&[], &[], &[], &[name])] {
            assert!(lists.is_err(), "{name:?}");
        }
    }
    assert!(rules(&[], &[], &[], &["*"]).is_ok());
}

#[test]
fn no_two_requests_share_a_key_by_accident() {
    let fields = rules(&[], &["x-a", "x-b"], &[], &["x-c"]).unwrap();
    let key = |lines: &[(&'static str, &str)]| {
        let mut request = HeaderMap::new();
        for (name, value) in lines {
            request.append(*name, value.parse().unwrap());
        }
        let mut key = b"k".to_vec();
        fields.push(&request, &mut key).map(|()| key)
    };
    let all: Vec<_> = [
        &[][..],
        &[("x-a", "")],
        &[("x-a", "1")],
        &[("x-b", "1")],
        &[("x-a", "1"), ("x-b", "1")],
        &[("x-a", "1"), ("x-a", "1")],
        &[("x-a", "1,1")],
    ]
    .iter()
    .map(|lines| key(lines).unwrap())
    .collect();
    for (n, one) in all.iter().enumerate() {
        assert!(!all.iter().skip(n + 1).any(|other| other == one), "{n}");
    }
    assert_eq!(key(&[("x-b", "2"), ("x-a", "1")]), key(&[("x-a", "1"), ("x-b", "2")]));
    assert_eq!(key(&[("x-c", "1")]).unwrap(), b"k");
    assert_eq!(key(&[("x-a", &"a".repeat(MAX_SPLIT_VALUE + 1))]), Err(Reason::KeyField));
    assert_eq!(key(&[("x-a", "1"); MAX_SPLIT + 1]), Err(Reason::KeyField));
}
