//! Which traces are recorded, decided before any span is made.

use super::{TraceContext, random};

/// The samplers of the OpenTelemetry specification.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether a parent's decision is kept.
    parent_based: bool,
    root: Root,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Root {
    AlwaysOn,
    AlwaysOff,
    /// Records a trace whose id, its last 63 bits taken as a number, is below this.
    Below(u64),
}

impl Sampler {
    /// Keeps what a parent has decided, and records nothing else: what there is to do where no spans are
    /// exported.
    pub const PASS_ON: Self = Self { parent_based: true, root: Root::AlwaysOff };

    /// From the values of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. `Err` says in a sentence what
    /// is wrong with them.
    pub fn from_names(sampler: Option<&str>, argument: Option<&str>) -> Result<Self, String> {
        let name = sampler.unwrap_or("parentbased_always_on");
        let (parent_based, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let root = match root {
            "always_on" => Root::AlwaysOn,
            "always_off" => Root::AlwaysOff,
            "traceidratio" => Root::Below(below(argument.unwrap_or("1.0"))?),
            _ => return Err(format!("OTEL_TRACES_SAMPLER: there is no sampler {name:?} here")),
        };
        Ok(Self { parent_based, root })
    }

    /// The context of the request that came with `parent`, with the decision in it. Allocates nothing.
    pub fn decide(&self, parent: Option<TraceContext>) -> TraceContext {
        let Some(parent) = parent else {
            let begun = TraceContext::begin(random(), false);
            return TraceContext { sampled: self.root.samples(&begun), ..begun };
        };
        if self.parent_based {
            return parent;
        }
        let sampled = self.root.samples(&parent);
        match sampled == parent.sampled {
            true => parent,
            // Trace Context §3.4: "The parent-id field MUST be set to a new value with the sampled flag
            // update."
            false => {
                TraceContext { sampled, span_id: TraceContext::begin(random(), sampled).span_id, ..parent }
            }
        }
    }
}

impl Root {
    fn samples(self, trace: &TraceContext) -> bool {
        match self {
            Self::AlwaysOn => true,
            Self::AlwaysOff => false,
            Self::Below(limit) => (u128::from_be_bytes(trace.trace_id) as u64) >> 1 < limit,
        }
    }
}

/// The specification leaves the algorithm open; this is the SDKs' own, so that services agree on one trace.
fn below(ratio: &str) -> Result<u64, String> {
    match ratio.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok((ratio * (1_u64 << 63) as f64) as u64),
        _ => Err(format!("OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, not {ratio:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(sampled: bool) -> TraceContext {
        let flags = if sampled { "01" } else { "00" };
        TraceContext::parse(&format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}")).unwrap()
    }

    #[test]
    fn decides_as_the_specification_says() {
        // The trace id above ends in a3ce929d0e0e4736: as a part of the whole, 0.64.
        let cases: &[(Option<&str>, Option<&str>, [bool; 3])] = &[
            // No parent (where sure), unsampled parent, sampled parent.
            (None, None, [true, false, true]),
            (Some("always_on"), None, [true, true, true]),
            (Some("always_off"), None, [false, false, false]),
            (Some("parentbased_always_on"), None, [true, false, true]),
            (Some("parentbased_always_off"), None, [false, false, true]),
            (Some("traceidratio"), None, [true, true, true]),
            (Some("traceidratio"), Some("0"), [false, false, false]),
            (Some("parentbased_traceidratio"), Some("0"), [false, false, true]),
            (Some("parentbased_traceidratio"), Some("1"), [true, false, true]),
        ];
        for (name, argument, expected) in cases {
            let sampler = Sampler::from_names(*name, *argument).unwrap();
            let decided =
                [None, Some(parent(false)), Some(parent(true))].map(|p| sampler.decide(p).sampled());
            assert_eq!(decided, *expected, "{name:?} {argument:?}");
        }
        for (ratio, sampled) in [("0.63", false), ("0.65", true)] {
            let sampler = Sampler::from_names(Some("traceidratio"), Some(ratio)).unwrap();
            assert_eq!(sampler.decide(Some(parent(false))).sampled(), sampled, "{ratio}");
        }
    }

    #[test]
    fn a_ratio_of_new_traces() {
        let sampler = Sampler::from_names(Some("traceidratio"), Some("0.25")).unwrap();
        let sampled = (0..10_000).filter(|_| sampler.decide(None).sampled()).count();
        assert!((2_000..3_000).contains(&sampled), "{sampled}");
    }

    #[test]
    fn a_parent_is_handed_on_as_it_is_unless_the_decision_changes() {
        assert_eq!(Sampler::PASS_ON.decide(Some(parent(true))), parent(true));
        let off = Sampler::from_names(Some("always_off"), None).unwrap();
        let changed = off.decide(Some(parent(true)));
        assert_eq!(changed.trace_id(), parent(true).trace_id());
        assert_ne!(changed.span_id(), parent(true).span_id());
        assert_ne!(off.decide(None).trace_id(), off.decide(None).trace_id());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (name, argument) in
            [("jaeger_remote", None), ("", None), ("traceidratio", Some("1.5")), ("traceidratio", Some("x"))]
        {
            assert!(Sampler::from_names(Some(name), argument).is_err(), "{name} {argument:?}");
        }
    }
}
