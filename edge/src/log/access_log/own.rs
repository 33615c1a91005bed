//! Lines in formats of the settings' own, with nginx's escapes.

use std::time::{Duration, SystemTime};

use crate::log::access_log::combined::{client, decimal, escape as escape_default};
use crate::log::access_log::stamp::Stamps;
use crate::settings::logs::{Escape, LogFormatConfig};
use crate::variables::names::{KnownVariable, Variable};
use crate::variables::{Facts, TemplatePart};

/// Appends the line, with its end.
pub(super) fn format(line: &mut Vec<u8>, stamps: &mut Stamps, format: &LogFormatConfig, facts: &Facts<'_>) {
    for part in format.text.parts() {
        match part {
            TemplatePart::Text(text) => line.extend_from_slice(text.as_bytes()),
            TemplatePart::Variable(Variable::Known(known))
                if is_written(line, stamps, (*known, format.escape), facts) => {}
            TemplatePart::Variable(variable) => match facts.value(variable) {
                Some(value) => escape(&value, format.escape, line),
                None if format.escape == Escape::Default => line.push(b'-'),
                None => {}
            },
        }
    }
    line.push(b'\n');
}

/// Writes the values that most formats name, without the text that they would otherwise be made into. False:
/// it is none of them.
fn is_written(
    line: &mut Vec<u8>,
    stamps: &mut Stamps,
    (variable, how): (KnownVariable, Escape),
    facts: &Facts<'_>,
) -> bool {
    let Some(reply) = &facts.reply else { return false };
    match variable {
        KnownVariable::RemoteAddr => client(line, facts.request.client),
        KnownVariable::TimeLocal => line.extend_from_slice(stamps.local(SystemTime::now()).as_bytes()),
        KnownVariable::Status => decimal(line, reply.status.into()),
        KnownVariable::BodyBytesSent => decimal(line, reply.body_bytes),
        KnownVariable::BytesSent => decimal(line, reply.head_bytes + reply.body_bytes),
        KnownVariable::RequestTime => seconds(line, reply.took),
        KnownVariable::Request if !facts.request.method.is_empty() => {
            for (part, end) in
                [(facts.request.method, " "), (facts.request.target, " "), (facts.request.protocol, "")]
            {
                escape(part.as_bytes(), how, line);
                line.extend_from_slice(end.as_bytes());
            }
        }
        _ => return false,
    }
    true
}

/// Seconds with milliseconds: "1.250".
fn seconds(line: &mut Vec<u8>, time: Duration) {
    decimal(line, time.as_secs());
    let thousandths = time.subsec_millis();
    let digits = [100, 10, 1].map(|place| b'0' + (thousandths / place % 10) as u8);
    line.push(b'.');
    line.extend_from_slice(&digits);
}

/// As nginx writes values into its log, except that no value ends the line.
fn escape(value: &[u8], how: Escape, line: &mut Vec<u8>) {
    match how {
        Escape::Default => escape_default(line, value),
        Escape::Json => {
            // A line that is not UTF-8 would be no JSON.
            for byte in String::from_utf8_lossy(value).bytes() {
                match byte {
                    b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
                    b'\n' => line.extend_from_slice(b"\\n"),
                    b'\r' => line.extend_from_slice(b"\\r"),
                    b'\t' => line.extend_from_slice(b"\\t"),
                    0x08 => line.extend_from_slice(b"\\b"),
                    0x0c => line.extend_from_slice(b"\\f"),
                    0..0x20 => line.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
                    _ => line.push(byte),
                }
            }
        }
        Escape::None => {
            for &byte in value {
                match byte {
                    b'\n' | b'\r' | 0 => line.extend_from_slice(format!("\\x{byte:02X}").as_bytes()),
                    _ => line.push(byte),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_as_the_variable_is() {
        for millis in [0, 7, 70, 999, 1_000, 61_050, 3_600_000] {
            let (time, mut line) = (Duration::from_millis(millis), Vec::new());
            seconds(&mut line, time + Duration::from_micros(999));
            assert_eq!(line, format!("{}.{:03}", millis / 1000, millis % 1000).as_bytes());
        }
    }

    #[test]
    fn no_value_ends_a_field_or_a_line() {
        let value = b"a \"b\" \\c\n\r\t\x01\xc3\xa9\xff\x7f";
        let cases: [(Escape, &[u8]); 3] = [
            (Escape::Default, b"a \\x22b\\x22 \\x5Cc\\x0A\\x0D\\x09\\x01\\xC3\\xA9\\xFF\\x7F"),
            (Escape::Json, b"a \\\"b\\\" \\\\c\\n\\r\\t\\u0001\xc3\xa9\xef\xbf\xbd\x7f"),
            (Escape::None, b"a \"b\" \\c\\x0A\\x0D\t\x01\xc3\xa9\xff\x7f"),
        ];
        for (how, expected) in cases {
            let mut out = Vec::new();
            escape(value, how, &mut out);
            assert_eq!(out, expected, "{how:?}: {}", out.escape_ascii());
        }
    }
}
