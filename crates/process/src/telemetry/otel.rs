//! What the standard `OTEL_*` variables ask for. Those on headers, timeouts and batches are read by the
//! exporter itself.

use std::collections::BTreeMap;

use super::TelemetryError;
use crate::trace::Sampler;

/// An export of traces.
#[derive(Debug, PartialEq)]
pub(super) struct TraceExport {
    /// As written: "http://collector:4317".
    pub(super) endpoint: String,
    pub(super) sampler: Sampler,
    /// None where the service is named among the resource attributes, or not at all.
    pub(super) service_name: Option<String>,
    /// Whether a name of ours would hide that of the environment.
    pub(super) named_in_attributes: bool,
}

impl TraceExport {
    /// None where no traces are to be exported. `env` has no empty values: the specification counts them as
    /// not set. Values that it says to ignore with a warning are added to `ignored`.
    pub(super) fn of(
        env: &BTreeMap<String, String>,
        ignored: &mut Vec<String>,
    ) -> Result<Option<Self>, TelemetryError> {
        let get = |name: &str| env.get(name).map(String::as_str);
        let endpoint =
            get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| get("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let Some(endpoint) = endpoint else { return Ok(None) };
        if get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let exporters = get("OTEL_TRACES_EXPORTER").unwrap_or("otlp");
        if !exporters.split(',').any(|name| name.trim() == "otlp") {
            if exporters != "none" {
                ignored.push(format!("OTEL_TRACES_EXPORTER: only \"otlp\" can be used, not {exporters:?}"));
            }
            return Ok(None);
        }
        for variable in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            match get(variable) {
                None => continue,
                Some("grpc") => break,
                Some(protocol) => {
                    return Err(TelemetryError::Protocol { variable, protocol: protocol.to_owned() });
                }
            }
        }
        let sampler = Sampler::from_names(get("OTEL_TRACES_SAMPLER"), get("OTEL_TRACES_SAMPLER_ARG"));
        let sampler = sampler.or_else(|reason| {
            ignored.push(reason);
            Sampler::from_names(None, None)
        });
        let attributes = get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        Ok(Some(Self {
            endpoint: endpoint.to_owned(),
            sampler: sampler.unwrap_or(Sampler::PASS_ON),
            service_name: get("OTEL_SERVICE_NAME").map(str::to_owned),
            named_in_attributes: attributes.split(',').any(|pair| pair.trim().starts_with("service.name=")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variable = (&'static str, &'static str);

    const ENDPOINT: Variable = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317");

    fn asked(env: &[Variable]) -> (Result<Option<TraceExport>, String>, usize) {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut ignored = Vec::new();
        (TraceExport::of(&env, &mut ignored).map_err(|error| error.to_string()), ignored.len())
    }

    #[test]
    fn exports_only_where_an_endpoint_is_named() {
        let cases: &[(&[Variable], Option<&str>)] = &[
            (&[], None),
            (&[("OTEL_TRACES_SAMPLER", "always_on")], None),
            (&[ENDPOINT], Some("http://a:4317")),
            (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:4317")], Some("http://b:4317")),
            (&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")], None),
            (&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")], Some("http://a:4317")),
            (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], None),
            (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "console, otlp")], Some("http://a:4317")),
            (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], Some("http://a:4317")),
        ];
        for (env, endpoint) in cases {
            let (asked, ignored) = asked(env);
            assert_eq!(asked.unwrap().map(|asked| asked.endpoint).as_deref(), *endpoint, "{env:?}");
            assert_eq!(ignored, 0, "{env:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let (asked_for, ignored) = asked(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "zipkin")]);
        assert_eq!((asked_for, ignored), (Ok(None), 1));
        let (asked_for, ignored) = asked(&[ENDPOINT, ("OTEL_TRACES_SAMPLER", "xray")]);
        assert_eq!(asked_for.unwrap().unwrap().sampler, Sampler::from_names(None, None).unwrap());
        assert_eq!(ignored, 1);
        let (asked_for, _) = asked(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
        assert_eq!(
            asked_for.unwrap_err(),
            "OTEL_EXPORTER_OTLP_PROTOCOL: only \"grpc\" can be used, not \"http/protobuf\""
        );
    }

    #[test]
    fn the_service_may_be_named_in_two_ways() {
        let named = |env: &[Variable]| {
            asked(env).0.unwrap().map(|asked| (asked.service_name, asked.named_in_attributes))
        };
        assert_eq!(named(&[ENDPOINT]), Some((None, false)));
        assert_eq!(named(&[ENDPOINT, ("OTEL_SERVICE_NAME", "shop")]), Some((Some("shop".to_owned()), false)));
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "zone=a, service.name=shop");
        assert_eq!(named(&[ENDPOINT, attributes]), Some((None, true)));
    }
}
