//! `if` with directives of a location in it, and `limit_except`: nginx has a location without a name for
//! each. Here it has one, and a rule leads to it.

use nginx_conf::Directive;

use crate::branches;
use crate::place;
use crate::scope::Scope;
use crate::settings::Table;
use crate::translate::Translator;

/// The locations of the blocks of one location, by the block's number.
#[derive(Debug, Default)]
pub(crate) struct BlockLocations(Vec<(u32, String)>);

impl BlockLocations {
    pub(crate) fn of(&self, block: &Directive) -> Option<&str> {
        self.0.iter().find(|(order, _)| *order == block.order).map(|(_, name)| name.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Makes the locations. They stand in the site, and hold all that holds in the block.
pub(crate) fn translate<'a>(
    translator: &mut Translator<'a>,
    scope: &Scope<'a>,
    pattern: &str,
    location: &'a Directive,
) -> BlockLocations {
    let mut made = BlockLocations::default();
    for block in location.children().iter().filter(|block| needs_one(block)) {
        let inner = scope.inside_unnamed(block.children());
        let passes = ["proxy_pass", "uwsgi_pass", "fastcgi_pass"];
        let answers_from_files = passes.iter().all(|pass| inner.pass(pass).is_none());
        let nearest = inner.nearest(&["alias", "root"]);
        if answers_from_files && nearest.first().is_some_and(|found| found.name() == "alias") {
            let why = format!("`{}` with such directives needs `root`, not `alias`", block.name());
            translator.ledger.not_done(block, why, "write root, or a location for it");
            continue;
        }
        let name = format!("@{}-{}", block.name(), block.order);
        let origin = translator.ledger.origin(block);
        let mut full = Table::new(Some(format!("{origin}: {} in location {pattern}", block.name())));
        full.set("match", name.as_str(), "");
        place::answer(translator, &inner, Some(pattern), &mut full);
        let site = translator.site.clone();
        let said = place::within(&mut full, &site);
        translator.unnamed.push(said);
        translator.ledger.done(block);
        made.0.push((block.order, name));
    }
    made
}

/// Whether the block says more than rules can do.
fn needs_one(block: &Directive) -> bool {
    match block.name() {
        "if" => branches::says_more(block),
        "limit_except" => !refuses_all(block),
        _ => false,
    }
}

/// `{ deny all; }`
pub(crate) fn refuses_all(block: &Directive) -> bool {
    let refuses = |line: &Directive| line.name() == "deny" && line.arg(0) == Some("all");
    !block.children().is_empty() && block.children().iter().all(refuses)
}
