//! Accept-Language: browsers send hundreds of values, and a page has one variant for each language in which
//! it is known to come.

use weir_tests::{Location, Response, Settings, Stack, both_topologies, site};

fn settings() -> Settings {
    site([
        Location::cached("/", "60s").cache("learn_languages", true),
        Location::cached("/listed/", "60s").cache("languages", vec!["de", "en"]),
        Location::cached("/short/", "1s")
            .cache("stale_while_revalidate", "0s")
            .cache("stale_if_error", "60s")
            .cache("learn_languages", true),
    ])
}

fn ask(stack: &Stack, target: &str, accepts: &str) -> Response {
    stack.get_with(target, &[("Accept-Language", accepts)]).expect(200)
}

/// What the application was asked for by its `n`th call.
fn asked(stack: &Stack, name: &str, n: usize) -> String {
    stack.oracle.field(name, n, "HTTP_ACCEPT_LANGUAGE").unwrap_or_default()
}

both_topologies!(a_favourite_in_which_a_page_came_selects_one_variant, settings());
fn a_favourite_in_which_a_page_came_selects_one_variant(stack: &Stack) {
    stack.oracle.set("page", "h=Vary:Accept-Language&h=Content-Language:de");
    assert_eq!(ask(stack, "/count/page", "de-CH,de;q=0.9,en;q=0.8").text(), "1\n");
    // The very same again: it is stored, also for these words.
    ask(stack, "/count/page", "de-CH,de;q=0.9,en;q=0.8").expect_cache(&["hit"]);
    // Another way to say that this visitor reads German first: the page is asked for in German, once.
    assert_eq!(ask(stack, "/count/page", "de-CH, fr;q=0.3").text(), "2\n");
    assert_eq!(asked(stack, "page", 1), "de");
    for n in 0..100 {
        let accepts = format!("de-CH, fr;q=0.{n}, x{n};q=0.01");
        assert_eq!(ask(stack, "/count/page", &accepts).expect_cache(&["hit"]).text(), "2\n");
    }
    assert_eq!(stack.oracle.calls("page"), 2);
    // Nothing is known of other favourites: the page may have Italian too.
    stack.oracle.set("page", "h=Vary:Accept-Language&h=Content-Language:it");
    assert_eq!(ask(stack, "/count/page", "it,de-CH;q=0.9").text(), "3\n");
    assert_eq!(asked(stack, "page", 2), "it,de-CH;q=0.9");
    assert_eq!(ask(stack, "/count/page", "de-CH,it;q=0.5").expect_cache(&["hit"]).text(), "2\n");
}

both_topologies!(a_page_that_does_not_come_in_its_language_is_asked_for_as_sent, settings());
fn a_page_that_does_not_come_in_its_language_is_asked_for_as_sent(stack: &Stack) {
    stack.oracle.set("odd", "h=Vary:Accept-Language&h=Content-Language:de");
    ask(stack, "/count/odd", "de-CH,de;q=0.9");
    stack.oracle.set("odd", "h=Vary:Accept-Language&h=Content-Language:en");
    ask(stack, "/count/odd", "de-CH,en;q=0.5");
    assert_eq!(asked(stack, "odd", 1), "de");
    ask(stack, "/count/odd", "de-CH,en;q=0.4");
    assert_eq!(asked(stack, "odd", 2), "de-CH,en;q=0.4");
}

both_topologies!(a_page_made_before_its_language_was_known_stands_in, settings());
fn a_page_made_before_its_language_was_known_stands_in(stack: &Stack) {
    stack.oracle.set("stands", "h=Vary:Accept-Language&h=Content-Language:de");
    ask(stack, "/short/count/stands", "de-CH,de;q=0.9");
    stack.oracle.set("stands", "status=500");
    std::thread::sleep(std::time::Duration::from_millis(1_300));
    assert_eq!(ask(stack, "/short/count/stands", "de-CH,de;q=0.9").text(), "1\n");
}

both_topologies!(the_languages_of_a_site_select_its_variants, settings());
fn the_languages_of_a_site_select_its_variants(stack: &Stack) {
    stack.oracle.set("listed", "h=Vary:Accept-Language");
    for n in 0..50 {
        ask(stack, "/listed/count/listed", &format!("it, de-CH;q=0.{n}9, en;q=0.0{n}"));
    }
    assert_eq!((stack.oracle.calls("listed"), asked(stack, "listed", 0).as_str()), (1, "de"));
    ask(stack, "/listed/count/listed", "it, fr;q=0.5");
    assert_eq!((stack.oracle.calls("listed"), asked(stack, "listed", 1).as_str()), (2, ""));
}
