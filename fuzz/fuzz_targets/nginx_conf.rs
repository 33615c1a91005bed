//! Any nginx.conf is read without a panic, and each of its words stands where it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_conf::{Contexts, Directive, Word, check, parse};

const MOST_INCLUDES: usize = 3;

fuzz_target!(|bytes: &[u8]| {
    // More often it takes all the time there is until the bound of all files together.
    let mut left = MOST_INCLUDES;
    let parsed = parse("nginx.conf", bytes, &mut |path| match path {
        "self" if left > 0 => {
            left -= 1;
            Ok(vec![("self".to_owned(), bytes.to_vec())])
        }
        _ => Ok(Vec::new()),
    });
    let lines = bytes.split(|byte| *byte == b'\n').count();
    stands(&parsed.directives, lines);
    check(&parsed, Contexts::MAIN, &|_| false);
    check(&parsed, Contexts::HTTP, &|name| name.starts_with('x'));
});

fn stands(directives: &[Directive], lines: usize) {
    for directive in directives {
        let words = std::iter::once(&directive.name).chain(&directive.args);
        let place = |word: &Word| (word.place.line, word.place.column);
        let places: Vec<_> = words.map(place).collect();
        assert!(places.is_sorted() && places.iter().all(|(line, _)| *line as usize <= lines));
        stands(directive.children(), lines);
    }
}
