//! Bodies of requests: their windows, and what contradicts their heads.

use super::*;

/// The code of the RST_STREAM that was sent, if one was.
fn reset(peer: &mut Peer) -> Option<u8> {
    peer.frames().into_iter().find(|frame| frame.0 == RST_STREAM).map(|frame| frame.3[3])
}

#[test]
fn a_body_is_read_as_it_comes_and_its_end_is_known() {
    let mut peer = Peer::new();
    peer.send(&[post(1), frame(DATA, 0, 1, b"one"), frame(DATA, PADDED, 1, b"\x02two\0\0")].concat())
        .unwrap();
    assert_eq!(peer.connection.read(1), BodyProgress::Data(Bytes::from_static(b"onetwo")));
    assert_eq!(peer.connection.read(1), BodyProgress::Pending);
    peer.send(&[frame(DATA, 0, 1, b"three"), frame(DATA, END_STREAM, 1, b"")].concat()).unwrap();
    assert_eq!(peer.connection.read(1), BodyProgress::Data(Bytes::from_static(b"three")));
    assert_eq!(peer.connection.read(1), BodyProgress::End);
    assert_eq!(peer.connection.waiters(1).unwrap().read, 4);
}

#[test]
fn windows_open_when_somebody_has_read() {
    let mut peer = Peer::new();
    peer.send(&post(1)).unwrap();
    let piece = frame(DATA, 0, 1, &[b'x'; 16_384]);
    peer.send(&piece.repeat(4)).unwrap();
    assert_eq!(peer.frames(), []);
    let BodyProgress::Data(data) = peer.connection.read(1) else { panic!() };
    assert_eq!(data.len(), 65_536);
    peer.connection.release(1, 32_767);
    assert_eq!(peer.frames(), []);
    peer.connection.release(1, 32_769);
    assert_eq!(peer.frames(), [(WINDOW_UPDATE, 0, 1, vec![0, 1, 0, 0])]);
    // Eight times as much is half of the connection's window.
    for _ in 0..7 {
        peer.send(&piece.repeat(4)).unwrap();
        assert!(matches!(peer.connection.read(1), BodyProgress::Data(_)));
        peer.connection.release(1, 65_536);
    }
    assert!(peer.frames().contains(&(WINDOW_UPDATE, 0, 0, vec![0, 8, 0, 0])));
}

#[test]
fn what_exceeds_a_window_is_an_error() {
    let piece = |stream, length| frame(DATA, 0, stream, &vec![b'x'; length]);
    let mut peer = Peer::new();
    peer.send(&[post(1), piece(1, 16_384).repeat(4), piece(1, 1)].concat()).unwrap();
    assert_eq!(reset(&mut peer), Some(3));
    // The connection's window is given back.
    peer.connection.drop_handle(1);
    for stream in (3..200).step_by(2) {
        peer.send(
            &[post(stream), piece(stream, 16_384).repeat(4), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])]
                .concat(),
        )
        .unwrap();
        peer.connection.drop_handle(stream);
    }
    let mut peer = Peer::with(Limits { streams: 100, ..LIMITS });
    let ended = (0..20)
        .find_map(|n| peer.send(&[post(2 * n + 1), piece(2 * n + 1, 16_384).repeat(4)].concat()).err());
    assert_eq!(ended, Some(ErrorCode::FLOW_CONTROL_ERROR));
    // Padding counts.
    let mut peer = Peer::new();
    let mut padded = vec![255];
    padded.extend([0; 256]);
    peer.send(&[post(1), frame(DATA, PADDED, 1, &padded).repeat(300)].concat()).unwrap();
    let given_back: u32 = peer
        .frames()
        .into_iter()
        .filter(|frame| (frame.0, frame.2) == (WINDOW_UPDATE, 1))
        .map(|frame| u32::from_be_bytes(frame.3.try_into().unwrap()))
        .sum();
    assert!(given_back > 30_000, "{given_back}");
    assert_eq!(peer.connection.read(1), BodyProgress::Data(Bytes::from(vec![0; 300])));
}

#[test]
fn a_malformed_request_is_answered_and_then_reset() {
    for (request, more) in [(get(1), vec![]), (post(1), frame(DATA, END_STREAM, 1, b"more"))] {
        let mut peer = Peer::new();
        let arrival = peer.connection.receive(&mut &request[..], &mut peer.fields).unwrap().unwrap();
        peer.connection.open_malformed(arrival);
        peer.send(&more).unwrap();
        assert_eq!(peer.connection.read(1), BodyProgress::Malformed);
        assert_eq!(peer.answer(1, 10), 10);
        peer.connection.drop_handle(1);
        let shapes = [(HEADERS, END_HEADERS, 1, 1), (DATA, END_STREAM, 1, 10), (RST_STREAM, 0, 1, 4)];
        assert_eq!(peer.shapes(), shapes);
        assert_eq!((peer.connection.open_streams(), peer.connection.streams.len()), (0, 0));
        assert_eq!(peer.connection.counts().blaming, 1);
    }
}

#[test]
fn a_body_that_contradicts_its_length_is_malformed() {
    let data = |flags, content: &[u8]| frame(DATA, flags, 1, content);
    let trailers = |flags, block: &[u8]| frame(HEADERS, flags, 1, block);
    const SUM: &[u8] = b"\x00\x01x\x011";
    type Case = (&'static str, Option<u64>, Vec<Vec<u8>>, bool);
    let cases: Vec<Case> = vec![
        ("as announced", Some(4), vec![data(0, b"te"), data(END_STREAM, b"st")], true),
        ("nothing", Some(0), vec![data(END_STREAM, b"")], true),
        ("not announced", None, vec![data(END_STREAM, b"test")], true),
        ("less", Some(5), vec![data(END_STREAM, b"test")], false),
        ("less, by trailers", Some(5), vec![data(0, b"test"), trailers(WHOLE, SUM)], false),
        ("more", Some(3), vec![data(END_STREAM, b"test")], false),
        ("more, before the end", Some(3), vec![data(0, b"te"), data(0, b"st")], false),
        ("something in place of nothing", Some(0), vec![data(0, b"x")], false),
        ("trailers", Some(4), vec![data(0, b"test"), trailers(WHOLE, SUM)], true),
        ("trailers that end nothing", None, vec![data(0, b"test"), trailers(END_HEADERS, SUM)], false),
        ("a pseudo-field in trailers", None, vec![data(0, b"test"), trailers(WHOLE, &[0x82])], false),
        ("upper case in trailers", None, vec![data(0, b"test"), trailers(WHOLE, b"\x00\x01X\x011")], false),
    ];
    for (what, length, parts, is_right) in cases {
        for has_begun in [false, true] {
            let mut peer = Peer::new();
            peer.send(&post(1)).unwrap();
            if let Some(length) = length {
                peer.connection.announce(1, length);
            }
            if has_begun {
                peer.connection.send_head(1, &reply(), false).unwrap();
            }
            peer.send(&parts.concat()).unwrap();
            while let BodyProgress::Data(data) = peer.connection.read(1) {
                peer.connection.release(1, data.len());
            }
            let end = peer.connection.read(1);
            let code = reset(&mut peer);
            match (is_right, has_begun) {
                (true, _) => assert_eq!((end, code), (BodyProgress::End, None), "{what}"),
                (false, true) => assert_eq!((end, code), (BodyProgress::Reset, Some(1)), "{what}"),
                (false, false) => {
                    assert_eq!((end, code), (BodyProgress::Malformed, None), "{what}");
                    // It may be answered, and more of it is dropped.
                    let more = [data(0, b"more"), data(END_STREAM, b"")].concat();
                    peer.send(&more).unwrap();
                    assert_eq!(peer.connection.read(1), BodyProgress::Malformed);
                    peer.connection.send_head(1, &reply(), true).unwrap();
                    assert_eq!(reset(&mut peer), Some(1), "{what}");
                }
            }
            peer.connection.drop_handle(1);
            assert_eq!(peer.connection.streams.len(), 0, "{what}");
        }
    }
}

#[test]
fn a_request_that_came_whole_is_read_though_its_client_has_left() {
    let mut peer = Peer::new();
    peer.send(
        &[post(1), frame(DATA, END_STREAM, 1, b"all"), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])].concat(),
    )
    .unwrap();
    assert!(peer.connection.is_reset(1));
    assert_eq!(peer.connection.read(1), BodyProgress::Data(Bytes::from_static(b"all")));
    assert_eq!(peer.connection.read(1), BodyProgress::End);
    peer.send(&[post(3), frame(DATA, 0, 3, b"part"), frame(RST_STREAM, 0, 3, &[0, 0, 0, 8])].concat())
        .unwrap();
    assert_eq!(peer.connection.read(3), BodyProgress::Reset);
    assert_eq!(peer.connection.counts().resets, 2);
}

#[test]
fn a_reply_before_the_end_of_its_request_leaves_the_rest_to_its_reader() {
    let mut peer = Peer::new();
    peer.send(&[post(1), frame(DATA, 0, 1, b"part")].concat()).unwrap();
    peer.connection.hold(1);
    peer.answer(1, 0);
    peer.connection.drop_handle(1);
    assert_eq!(reset(&mut peer), None);
    peer.send(&frame(DATA, 0, 1, b" and more")).unwrap();
    assert_eq!(peer.connection.read(1), BodyProgress::Data(Bytes::from_static(b"part and more")));
    // Nobody reads any more: the client need not send more (section 8.1).
    peer.connection.drop_handle(1);
    assert_eq!(reset(&mut peer), Some(0));
    assert_eq!((peer.connection.open_streams(), peer.connection.streams.len()), (0, 0));
    // What was on its way is no error.
    peer.send(&[frame(DATA, END_STREAM, 1, b"x"), frame(HEADERS, WHOLE, 1, GET)].concat()).unwrap();
    assert_eq!(reset(&mut peer), None);
}
