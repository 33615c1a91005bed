//! Which frames are allowed where, as RFC 9113 has them; each case whole and byte by byte.

use super::*;

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The connection ends with this code.
    End(ErrorCode),
    /// Stream 1 is reset with this code.
    Reset(u32),
    /// Nothing but acknowledgements.
    Fine,
}
use Verdict::{End, Fine, Reset};

fn verdict(parts: &[Vec<u8>], piece: usize) -> Verdict {
    let mut peer = Peer::new();
    for bytes in parts.concat().chunks(piece) {
        if let Err(code) = peer.send(bytes) {
            let last = peer.frames().pop().unwrap();
            assert_eq!((last.0, last.3[7]), (GOAWAY, code.0 as u8));
            assert!(peer.connection.is_over());
            assert_eq!(peer.send(&get(99)), Ok(vec![]), "nothing is read any more");
            return End(code);
        }
    }
    let reset = peer.frames().into_iter().find(|frame| frame.0 == RST_STREAM);
    assert_eq!(peer.send(&get(99)).unwrap().len(), 1, "the connection goes on");
    reset.map_or(Fine, |frame| Reset(u32::from(frame.3[3])))
}

fn one(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<Vec<u8>> {
    vec![frame(kind, flags, stream, payload)]
}

type Case = (&'static str, Vec<Vec<u8>>, Verdict);

fn rst(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

/// The first part of a head, which CONTINUATION is to end.
fn begun() -> Vec<u8> {
    frame(HEADERS, END_STREAM, 1, &GET[..3])
}

fn stream_cases() -> Vec<Case> {
    use ErrorCode as Code;
    vec![
        ("4.1: unknown type", one(0x16, 0, 0, b"12345678"), Fine),
        ("4.1: unknown flags", one(PING, 0x16, 0, b"12345678"), Fine),
        ("4.1: reserved bit", one(PING, 0, 1 << 31, b"12345678"), Fine),
        ("4.2: too large", vec![post(1), frame(DATA, 0, 1, &[0; 16_385])], End(Code::FRAME_SIZE_ERROR)),
        ("4.3: no block", one(HEADERS, WHOLE, 1, &[0x40]), End(Code::COMPRESSION_ERROR)),
        ("4.3: another frame", vec![begun(), frame(PING, 0, 0, b"12345678")], End(Code::PROTOCOL_ERROR)),
        ("4.3: another head", vec![begun(), get(3)], End(Code::PROTOCOL_ERROR)),
        ("4.3: unknown frame within", vec![begun(), frame(0x16, 0, 0, b"")], End(Code::PROTOCOL_ERROR)),
        ("5.1: idle DATA", one(DATA, 0, 1, b"x"), End(Code::PROTOCOL_ERROR)),
        ("5.1: idle RST_STREAM", vec![rst(1)], End(Code::PROTOCOL_ERROR)),
        ("5.1: idle WINDOW_UPDATE", vec![update(1, 1)], End(Code::PROTOCOL_ERROR)),
        ("5.1: idle CONTINUATION", one(CONTINUATION, END_HEADERS, 1, GET), End(Code::PROTOCOL_ERROR)),
        ("5.1: idle PRIORITY", one(PRIORITY, 0, 5, &[0, 0, 0, 3, 1]), Fine),
        ("5.1: half closed DATA", vec![get(1), frame(DATA, 0, 1, b"x")], Reset(5)),
        ("5.1: half closed HEADERS", vec![get(1), get(1)], Reset(5)),
        ("5.1: half closed WINDOW_UPDATE", vec![get(1), update(1, 1)], Fine),
        ("5.1: reset DATA", vec![post(1), rst(1), frame(DATA, 0, 1, b"x")], Reset(5)),
        ("5.1: reset HEADERS", vec![post(1), rst(1), get(1)], End(Code::STREAM_CLOSED)),
        ("5.1: reset WINDOW_UPDATE", vec![post(1), rst(1), update(1, 1)], Fine),
        ("5.1.1: an even stream", vec![get(2)], End(Code::PROTOCOL_ERROR)),
        ("5.1.1: a lower stream", vec![get(5), get(3)], End(Code::PROTOCOL_ERROR)),
        (
            "5.3.1: depends on itself",
            one(HEADERS, WHOLE | PRIORITY_FLAG, 1, &[&[0, 0, 0, 1, 9], GET].concat()),
            Reset(1),
        ),
        (
            "6.2: with a priority",
            one(HEADERS, WHOLE | PRIORITY_FLAG, 1, &[&[0, 0, 0, 3, 9], GET].concat()),
            Fine,
        ),
        (
            "6.2: half a priority",
            one(HEADERS, WHOLE | PRIORITY_FLAG, 1, &[0; 4]),
            End(Code::FRAME_SIZE_ERROR),
        ),
        ("6.2: padded", one(HEADERS, WHOLE | PADDED, 1, &[&[2], GET, &[0, 0]].concat()), Fine),
    ]
}

fn frame_cases() -> Vec<Case> {
    use ErrorCode as Code;
    vec![
        ("6.1: no stream", vec![post(1), frame(DATA, 0, 0, b"x")], End(Code::PROTOCOL_ERROR)),
        ("6.1: more padding", vec![post(1), frame(DATA, PADDED, 1, b"\x06test")], End(Code::PROTOCOL_ERROR)),
        ("6.2: no stream", one(HEADERS, WHOLE, 0, GET), End(Code::PROTOCOL_ERROR)),
        (
            "6.2: more padding",
            one(HEADERS, WHOLE | PADDED, 1, &[&[9], GET].concat()),
            End(Code::PROTOCOL_ERROR),
        ),
        ("6.3: no stream", one(PRIORITY, 0, 0, &[0, 0, 0, 3, 1]), End(Code::PROTOCOL_ERROR)),
        ("6.3: another length", vec![post(1), frame(PRIORITY, 0, 1, &[0; 4])], Reset(6)),
        ("6.3: another length, idle", one(PRIORITY, 0, 1, &[0; 4]), End(Code::FRAME_SIZE_ERROR)),
        ("6.3: on itself", vec![post(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 1])], Reset(1)),
        ("6.4: no stream", vec![rst(0)], End(Code::PROTOCOL_ERROR)),
        ("6.4: another length", vec![post(1), frame(RST_STREAM, 0, 1, &[0; 3])], End(Code::FRAME_SIZE_ERROR)),
        ("6.5: ACK with settings", one(SETTINGS, ACK, 0, &[0; 6]), End(Code::FRAME_SIZE_ERROR)),
        ("6.5: for a stream", one(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 9]), End(Code::PROTOCOL_ERROR)),
        ("6.5: another length", one(SETTINGS, 0, 0, &[0; 3]), End(Code::FRAME_SIZE_ERROR)),
        ("6.5.2: a window too large", vec![setting(4, 1 << 31)], End(Code::FLOW_CONTROL_ERROR)),
        ("6.6: a push", one(PUSH_PROMISE, END_HEADERS, 1, GET), End(Code::PROTOCOL_ERROR)),
        ("6.7: for a stream", one(PING, 0, 1, b"12345678"), End(Code::PROTOCOL_ERROR)),
        ("6.7: another length", one(PING, 0, 0, b"123456"), End(Code::FRAME_SIZE_ERROR)),
        ("6.7: a longer one", one(PING, 0, 0, b"123456789"), End(Code::FRAME_SIZE_ERROR)),
        ("6.8: for a stream", one(GOAWAY, 0, 1, &[0; 8]), End(Code::PROTOCOL_ERROR)),
        ("6.8: too short", one(GOAWAY, 0, 0, &[0; 7]), End(Code::FRAME_SIZE_ERROR)),
        ("6.8: as it should be", one(GOAWAY, 0, 0, &[0; 9]), Fine),
    ]
}

fn window_cases() -> Vec<Case> {
    use ErrorCode as Code;
    vec![
        ("6.9: by nothing", vec![update(0, 0)], End(Code::PROTOCOL_ERROR)),
        ("6.9: by nothing, a stream", vec![post(1), update(1, 0)], Reset(1)),
        ("6.9: another length", one(WINDOW_UPDATE, 0, 0, &[0, 0, 1]), End(Code::FRAME_SIZE_ERROR)),
        ("6.9.1: above all bounds", vec![update(0, MAX_WINDOW)], End(Code::FLOW_CONTROL_ERROR)),
        ("6.9.1: above all bounds, a stream", vec![post(1), update(1, MAX_WINDOW)], Reset(3)),
        (
            "6.9.2: by SETTINGS",
            vec![post(1), update(1, MAX_WINDOW - 65_535), setting(4, 65_536)],
            End(Code::FLOW_CONTROL_ERROR),
        ),
        (
            "6.10: continued",
            vec![
                begun(),
                frame(CONTINUATION, 0, 1, &GET[3..4]),
                frame(CONTINUATION, END_HEADERS, 1, &GET[4..]),
            ],
            Fine,
        ),
        (
            "6.10: another stream",
            vec![begun(), frame(CONTINUATION, END_HEADERS, 3, GET)],
            End(Code::PROTOCOL_ERROR),
        ),
        (
            "6.10: after a whole head",
            vec![post(1), frame(CONTINUATION, END_HEADERS, 1, GET)],
            End(Code::PROTOCOL_ERROR),
        ),
        ("7: an unknown code", vec![post(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 255])], Fine),
        ("8.1: trailers", vec![post(1), frame(HEADERS, WHOLE, 1, b"\x00\x01x\x011")], Fine),
    ]
}

#[test]
fn every_frame_has_its_rule() {
    for (what, parts, expected) in [stream_cases(), frame_cases(), window_cases()].into_iter().flatten() {
        for piece in [usize::MAX, 1, 7] {
            assert_eq!(
                verdict(&parts, piece.min(parts.concat().len().max(1))),
                expected,
                "{what} in {piece}"
            );
        }
    }
}

#[test]
fn a_connection_begins_with_preface_and_settings() {
    let first = |bytes: &[u8], piece: usize| {
        let mut connection = Connection::<Wakes>::new(LIMITS);
        let mut fields = FieldList::new(100);
        bytes.chunks(piece).try_for_each(|mut piece| connection.receive(&mut piece, &mut fields).map(|_| ()))
    };
    let settings = frame(SETTINGS, 0, 0, &[]);
    for piece in [1, 5, 100] {
        assert_eq!(first(&[&PREFACE[..], &settings].concat(), piece), Ok(()));
        assert_eq!(first(&[&PREFACE[..], &get(1)].concat(), piece), Err(ErrorCode::PROTOCOL_ERROR));
        assert_eq!(first(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", piece), Err(ErrorCode::PROTOCOL_ERROR));
        assert_eq!(first(b"GET / HTTP/1.1\r\n", piece), Err(ErrorCode::PROTOCOL_ERROR));
    }
}

#[test]
fn nothing_is_sent_on_a_closed_stream() {
    let mut peer = Peer::new();
    peer.send(&[get(1), post(3)].concat()).unwrap();
    peer.connection.send_head(1, &reply(), true).unwrap();
    peer.send(&rst(3)).unwrap();
    peer.frames();
    for stream in [1, 3, 5] {
        assert!(peer.connection.send_interim(stream, &reply()).is_err(), "{stream}");
        assert!(peer.connection.send_head(stream, &reply(), true).is_err(), "{stream}");
        assert!(peer.connection.send_data(stream, Bytes::from_static(b"x"), true).is_err(), "{stream}");
    }
    assert!(peer.frames().is_empty());
}

#[test]
fn what_is_half_sent_is_known_however_it_is_cut() {
    let mut parts = vec![PREFACE.to_vec()];
    parts.push(frame(SETTINGS, 0, 0, &[0, 99, 0, 0, 0, 0]));
    parts.push([frame(HEADERS, 0, 1, POST), frame(CONTINUATION, END_HEADERS, 1, b"")].concat());
    parts.push(frame(PING, 0, 0, b"12345678"));
    let ends: Vec<usize> = parts
        .iter()
        .scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        })
        .collect();
    let all = parts.concat();
    for piece in 1..40 {
        let (mut connection, mut fields) = (Connection::<Wakes>::new(LIMITS), FieldList::new(4096));
        let mut read = 0;
        for mut bytes in all.chunks(piece) {
            read += bytes.len();
            while let Some(arrival) = connection.receive(&mut bytes, &mut fields).unwrap() {
                connection.open(arrival);
            }
            assert_eq!(connection.unfinished().is_some(), !ends.contains(&read), "{read} in {piece}");
        }
        // Half a DATA frame is the business of its reader.
        let data = frame(DATA, 0, 1, b"0123456789");
        connection.receive(&mut &data[..8], &mut fields).unwrap();
        assert!(connection.unfinished().is_some());
        connection.receive(&mut &data[8..12], &mut fields).unwrap();
        assert!(connection.unfinished().is_none());
        connection.receive(&mut &data[12..], &mut fields).unwrap();
        assert_eq!(connection.read(1), BodyProgress::Data(Bytes::from_static(b"0123456789")));
    }
}

#[test]
fn settings_and_pings_are_acknowledged() {
    let mut peer = Peer::new();
    peer.send(&[setting(3, 7), frame(PING, 0, 0, b"whatever"), frame(PING, ACK, 0, b"nobody's")].concat())
        .unwrap();
    assert_eq!(peer.frames(), [(SETTINGS, ACK, 0, vec![]), (PING, ACK, 0, b"whatever".to_vec())]);
}

#[test]
fn a_table_that_the_client_names_is_acknowledged_once() {
    let mut peer = Peer::new();
    peer.send(&[setting(1, 0), get(1), get(3)].concat()).unwrap();
    peer.frames();
    peer.answer(1, 0);
    peer.answer(3, 0);
    let heads: Vec<_> = peer.frames().into_iter().map(|frame| frame.3).collect();
    assert_eq!(heads, [vec![0x20, 0x88], vec![0x88]]);
}

#[test]
fn more_streams_than_agreed_are_refused() {
    let mut peer = Peer::new();
    let all: Vec<u8> = (0..15).flat_map(|n| get(2 * n + 1)).collect();
    assert_eq!(peer.send(&all).unwrap().len(), 10);
    let refused = peer.frames();
    assert_eq!(refused.len(), 5);
    assert!(refused.iter().all(|frame| (frame.0, frame.3[3]) == (RST_STREAM, 7)), "{refused:?}");
    assert_eq!((peer.connection.counts().refused, peer.connection.counts().blaming), (5, 0));
    // One that ends makes room for another.
    peer.answer(1, 0);
    peer.connection.drop_handle(1);
    assert_eq!(peer.send(&get(31)).unwrap().len(), 1);
}

#[test]
fn a_drain_serves_what_the_client_had_sent() {
    let mut peer = Peer::new();
    peer.send(&get(1)).unwrap();
    peer.connection.drain();
    peer.connection.drain();
    let said = peer.frames();
    assert_eq!(said.len(), 2);
    assert_eq!((said[0].0, &said[0].3[..4]), (GOAWAY, &MAX_WINDOW.to_be_bytes()[..]));
    assert_eq!(said[1].0, PING);
    assert_eq!(peer.send(&get(3)).unwrap().len(), 1);
    peer.send(&frame(PING, ACK, 0, &said[1].3)).unwrap();
    let last = peer.frames();
    assert_eq!((last[0].0, last[0].3.clone()), (GOAWAY, vec![0, 0, 0, 3, 0, 0, 0, 0]));
    // What comes now was sent in vain, but it counts in the table of heads.
    assert_eq!(peer.send(&frame(HEADERS, WHOLE, 5, &[0x82, 0x86, 0x84, 0x41, 1, b'z'])), Ok(vec![]));
    assert!(!peer.connection.is_drained());
    for stream in [1, 3] {
        peer.answer(stream, 3);
        peer.connection.drop_handle(stream);
    }
    assert!(!peer.connection.is_drained());
    peer.frames();
    assert!(peer.connection.is_drained());
}

#[test]
fn what_was_named_as_not_taken_stays_so() {
    let mut peer = Peer::new();
    peer.send(&get(1)).unwrap();
    peer.connection.drain();
    peer.connection.end_announcement();
    peer.frames();
    assert_eq!(peer.send(&get(3)), Ok(vec![]));
    assert!(peer.send(&frame(PING, 0, 1, b"12345678")).is_err());
    let last = peer.frames();
    assert_eq!((last[0].0, last[0].3.clone()), (GOAWAY, vec![0, 0, 0, 1, 0, 0, 0, 1]));
}

#[test]
fn a_drain_takes_effect_also_for_a_client_that_says_nothing() {
    let mut peer = Peer::new();
    peer.connection.end_announcement();
    assert_eq!(peer.frames(), []);
    peer.connection.drain();
    peer.frames();
    peer.connection.end_announcement();
    peer.connection.end_announcement();
    assert_eq!(peer.frames().iter().map(|frame| frame.0).collect::<Vec<_>>(), [GOAWAY]);
    assert_eq!(peer.send(&get(1)), Ok(vec![]));
    assert!(peer.connection.is_drained());
}

#[test]
fn an_end_wakes_everybody() {
    let mut peer = Peer::new();
    peer.send(&[post(1), post(3)].concat()).unwrap();
    peer.connection.end(ErrorCode::ENHANCE_YOUR_CALM);
    peer.connection.end(ErrorCode::NO_ERROR);
    let said = peer.frames();
    assert_eq!((said.len(), said[0].0, said[0].3.clone()), (1, GOAWAY, vec![0, 0, 0, 3, 0, 0, 0, 11]));
    for stream in [1, 3] {
        assert!(peer.connection.is_reset(stream));
        let wakes = peer.connection.waiters(stream).unwrap();
        assert_eq!((wakes.read, wakes.write), (1, 1));
        assert_eq!(peer.connection.read(stream), BodyProgress::Reset);
        assert!(peer.connection.send_head(stream, &reply(), true).is_err());
        peer.connection.drop_handle(stream);
    }
    assert_eq!((peer.frames(), peer.connection.streams.len()), (vec![], 0));
}
