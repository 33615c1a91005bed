//! Where a directive is looked for: the block itself, then the blocks around it, as nginx merges them.

use nginx_conf::Directive;

/// Blocks from the outermost (`http`) to the innermost.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    levels: Vec<&'a [Directive]>,
    /// The innermost block is `if` or `limit_except`: what passes requests on around it does so here too.
    is_unnamed: bool,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(outermost: &'a [Directive]) -> Self {
        Self { levels: vec![outermost], is_unnamed: false }
    }

    /// The scope of a block that stands in this one.
    pub(crate) fn inside(&self, block: &'a [Directive]) -> Self {
        let levels = self.levels.iter().copied().chain([block]).collect();
        Self { levels, is_unnamed: false }
    }

    /// The scope of `if` or `limit_except` in a location.
    pub(crate) fn inside_unnamed(&self, block: &'a [Directive]) -> Self {
        Self { is_unnamed: true, ..self.inside(block) }
    }

    /// What passes requests on: of the block itself, or of the location that it is a part of.
    pub(crate) fn pass(&self, name: &str) -> Option<&'a Directive> {
        const PASSES: [&str; 3] = ["proxy_pass", "uwsgi_pass", "fastcgi_pass"];
        let has_own = PASSES.iter().any(|pass| self.here(pass).is_some());
        let around = || self.outside().here(name);
        self.here(name).or_else(|| if self.is_unnamed && !has_own { around() } else { None })
    }

    /// The outermost block's directives.
    pub(crate) fn outermost(&self) -> &'a [Directive] {
        self.levels.first().copied().unwrap_or_default()
    }

    /// The innermost block's own directives.
    pub(crate) fn own(&self) -> &'a [Directive] {
        self.levels.last().copied().unwrap_or_default()
    }

    /// One that is not inherited.
    pub(crate) fn here(&self, name: &str) -> Option<&'a Directive> {
        self.own().iter().find(|directive| directive.name() == name)
    }

    /// The one that counts: that of the nearest block that has it.
    pub(crate) fn one(&self, name: &str) -> Option<&'a Directive> {
        self.levels.iter().rev().find_map(|level| level.iter().find(|directive| directive.name() == name))
    }

    /// All that count: nginx takes the nearest block that has any, and none of the blocks around it.
    pub(crate) fn all(&self, name: &str) -> Vec<&'a Directive> {
        let named = |level: &&'a [Directive]| -> Vec<&'a Directive> {
            level.iter().filter(|directive| directive.name() == name).collect()
        };
        self.levels.iter().rev().map(named).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// All of the nearest block that has any of these names, in its order.
    pub(crate) fn nearest(&self, names: &[&str]) -> Vec<&'a Directive> {
        let named = |level: &&'a [Directive]| -> Vec<&'a Directive> {
            level.iter().filter(|directive| names.contains(&directive.name())).collect()
        };
        self.levels.iter().rev().map(named).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// All of these names in all blocks, from the outermost: some modules add to what stands around.
    pub(crate) fn every(&self, names: &[&str]) -> Vec<&'a Directive> {
        let all = self.levels.iter().flat_map(|level| level.iter());
        all.filter(|directive| names.contains(&directive.name())).collect()
    }

    /// The blocks around the innermost one.
    pub(crate) fn outside(&self) -> Self {
        let outer = self.levels.len().saturating_sub(1);
        Self { levels: self.levels.iter().copied().take(outer).collect(), is_unnamed: false }
    }

    /// The first argument of the one that counts.
    pub(crate) fn arg(&self, name: &str) -> Option<&'a str> {
        self.one(name)?.arg(0)
    }

    /// A flag that is off unless it says `on`.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.arg(name).is_some_and(|value| value.eq_ignore_ascii_case("on"))
    }

    /// A flag that is on unless it says `off`.
    pub(crate) fn is_off(&self, name: &str) -> bool {
        self.arg(name).is_some_and(|value| value.eq_ignore_ascii_case("off"))
    }
}
