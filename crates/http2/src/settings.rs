//! SETTINGS: the client's, as far as they matter to a server, and ours (RFC 9113 section 6.5).

use crate::error::ErrorCode;
use crate::frame::{self, FrameHeader};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// Section 6.9.2: the window of a stream at its beginning, unless SETTINGS say otherwise; and of a
/// connection.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;
/// Section 6.9.1: no window is larger.
pub(crate) const MAX_WINDOW: u32 = 0x7fff_ffff;
const SETTING: usize = 6;

/// What the client has said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) initial_window: u32,
    /// The client has named the size of its table. We keep none, so a block begins by saying so.
    pub(crate) names_table: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { initial_window: DEFAULT_WINDOW, names_table: false }
    }
}

impl ClientSettings {
    /// Applies the payload of a SETTINGS frame, in order.
    pub(crate) fn apply(&mut self, payload: &[u8]) -> Result<(), ErrorCode> {
        let (settings, rest) = payload.as_chunks::<SETTING>();
        // "A SETTINGS frame with a length other than a multiple of 6 octets MUST be treated as a connection
        // error (Section 5.4.1) of type FRAME_SIZE_ERROR."
        if !rest.is_empty() {
            return Err(ErrorCode::FRAME_SIZE_ERROR);
        }
        for [name_high, name_low, a, b, c, d] in settings {
            let value = u32::from_be_bytes([*a, *b, *c, *d]);
            match u16::from_be_bytes([*name_high, *name_low]) {
                HEADER_TABLE_SIZE => self.names_table = true,
                // "Any value other than 0 or 1 MUST be treated as a connection error (Section 5.4.1) of type
                // PROTOCOL_ERROR."
                ENABLE_PUSH if value > 1 => return Err(ErrorCode::PROTOCOL_ERROR),
                // "Values above the maximum flow-control window size of 2^31-1 MUST be treated as a
                // connection error (Section 5.4.1) of type FLOW_CONTROL_ERROR."
                INITIAL_WINDOW_SIZE if value > MAX_WINDOW => return Err(ErrorCode::FLOW_CONTROL_ERROR),
                INITIAL_WINDOW_SIZE => self.initial_window = value,
                // "Values outside this range MUST be treated as a connection error (Section 5.4.1) of type
                // PROTOCOL_ERROR." No frame that we send is larger than the least value.
                MAX_FRAME_SIZE if !(0x4000..=0xff_ffff).contains(&value) => {
                    return Err(ErrorCode::PROTOCOL_ERROR);
                }
                // "An endpoint that receives a SETTINGS frame with any unknown or unsupported identifier MUST
                // ignore that setting."
                _ => {}
            }
        }
        Ok(())
    }
}

/// Our SETTINGS frame.
pub(crate) fn ours(streams: u32, window: u32, head: u32) -> Vec<u8> {
    let settings =
        [(MAX_CONCURRENT_STREAMS, streams), (INITIAL_WINDOW_SIZE, window), (MAX_HEADER_LIST_SIZE, head)];
    let header = FrameHeader { length: settings.len() * SETTING, kind: frame::SETTINGS, flags: 0, stream: 0 };
    let mut out = header.write().to_vec();
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_their_ranges() {
        let one = |name: u16, value: u32| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let cases = [
            (one(1, 0), Ok(())),
            (one(2, 1), Ok(())),
            (one(2, 2), Err(ErrorCode::PROTOCOL_ERROR)),
            (one(4, MAX_WINDOW), Ok(())),
            (one(4, MAX_WINDOW + 1), Err(ErrorCode::FLOW_CONTROL_ERROR)),
            (one(5, 16_383), Err(ErrorCode::PROTOCOL_ERROR)),
            (one(5, 16_384), Ok(())),
            (one(5, 0xff_ffff), Ok(())),
            (one(5, 0x100_0000), Err(ErrorCode::PROTOCOL_ERROR)),
            (one(99, 7), Ok(())),
            (vec![0; 5], Err(ErrorCode::FRAME_SIZE_ERROR)),
            (vec![], Ok(())),
        ];
        for (payload, expected) in cases {
            assert_eq!(ClientSettings::default().apply(&payload), expected, "{payload:?}");
        }
        let mut settings = ClientSettings::default();
        settings.apply(&[one(4, 1), one(4, 7)].concat()).unwrap();
        assert_eq!((settings.initial_window, settings.names_table), (7, false));
    }
}
