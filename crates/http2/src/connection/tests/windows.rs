//! Replies: windows, turns, and the room that writers get.

use super::*;

fn data(peer: &mut Peer) -> Vec<(u32, usize, bool)> {
    let frames = peer.frames();
    frames
        .into_iter()
        .filter(|frame| frame.0 == DATA)
        .map(|(_, flags, stream, payload)| (stream, payload.len(), flags & END_STREAM != 0))
        .collect()
}

#[test]
fn a_reply_that_fits_is_sent_at_once() {
    let mut peer = Peer::new();
    let mut bytes: &[u8] = &get(1);
    let arrival = peer.connection.receive(&mut bytes, &mut peer.fields).unwrap().unwrap();
    assert_eq!(peer.connection.answer(arrival, &reply(), Bytes::from(vec![b'x'; 20_000])), None);
    assert_eq!(
        peer.shapes(),
        [(HEADERS, END_HEADERS, 1, 1), (DATA, 0, 1, 16_384), (DATA, END_STREAM, 1, 3616)]
    );
    assert_eq!((peer.connection.open_streams(), peer.connection.outgoing.size), (0, 45_535));
    let mut bytes: &[u8] = &get(3);
    let arrival = peer.connection.receive(&mut bytes, &mut peer.fields).unwrap().unwrap();
    assert_eq!(peer.connection.answer(arrival, &reply(), Bytes::new()), None);
    assert_eq!(peer.shapes(), [(HEADERS, WHOLE, 3, 1)]);
    // One that does not fit keeps its stream.
    let mut bytes: &[u8] = &get(5);
    let arrival = peer.connection.receive(&mut bytes, &mut peer.fields).unwrap().unwrap();
    let rest = peer.connection.answer(arrival, &reply(), Bytes::from(vec![b'x'; 45_536])).unwrap();
    assert_eq!((rest.len(), peer.connection.reserve(5, rest.len())), (45_536, Ok(45_535)));
    assert_eq!(peer.shapes(), [(HEADERS, END_HEADERS, 5, 1)]);
}

#[test]
fn replies_of_a_client_that_reads_nothing_wait_with_their_writers() {
    let mut peer = Peer::new();
    peer.send(&[setting(4, 1 << 24), update(0, 1 << 24)].concat()).unwrap();
    let streams = [1, 3, 5, 7, 9, 11];
    let queued: Vec<_> =
        streams.map(|stream| peer.send(&get(stream)).map(|_| peer.answer(stream, 100_000))).into();
    assert_eq!(queued, [Ok(65_536), Ok(65_536), Ok(65_536), Ok(65_536), Ok(0), Ok(0)]);
    // What leaves makes room, for each in turn.
    assert_eq!(peer.connection.waiters(9).unwrap().write, 0);
    let sent: usize = data(&mut peer).iter().map(|frame| frame.1).sum();
    assert_eq!((sent, peer.connection.waiters(9).unwrap().write), (4 * 65_536, 1));
    assert_eq!(peer.connection.reserve(9, 100_000), Ok(65_536));
}

#[test]
fn a_stream_keeps_to_its_window_which_settings_move() {
    let mut peer = Peer::new();
    peer.send(&[setting(4, 3), get(1)].concat()).unwrap();
    assert_eq!(peer.answer(1, 9), 3);
    assert_eq!(data(&mut peer), [(1, 3, false)]);
    assert_eq!(peer.connection.reserve(1, 6), Ok(0));
    peer.send(&[setting(4, 2), update(1, 2)].concat()).unwrap();
    assert_eq!(peer.connection.reserve(1, 6), Ok(1));
    peer.connection.send_data(1, Bytes::from_static(b"4"), false).unwrap();
    assert_eq!(data(&mut peer), [(1, 1, false)]);
    peer.send(&setting(4, 100)).unwrap();
    assert_eq!(peer.connection.reserve(1, 5), Ok(5));
    // What is queued already waits if the window becomes less than nothing.
    peer.connection.send_data(1, Bytes::from_static(b"56789"), true).unwrap();
    peer.send(&setting(4, 0)).unwrap();
    assert_eq!(data(&mut peer), []);
    assert!(peer.connection.is_stalled());
    peer.send(&update(1, 6)).unwrap();
    assert_eq!(data(&mut peer), [(1, 4, false)]);
    peer.send(&update(1, 100)).unwrap();
    assert_eq!(data(&mut peer), [(1, 1, true)]);
    assert!(!peer.connection.is_stalled());
    peer.connection.drop_handle(1);
    assert_eq!((peer.connection.outgoing.reserved, peer.connection.streams.len()), (0, 0));
}

#[test]
fn the_stalled_are_reset() {
    let mut peer = Peer::new();
    peer.send(&[get(1), get(3)].concat()).unwrap();
    assert_eq!((peer.answer(1, 5), peer.answer(3, 0)), (5, 0));
    peer.send(&setting(4, 0)).unwrap();
    peer.connection.drop_handle(1);
    peer.connection.reset_stalled();
    let reset = peer.frames().into_iter().find(|frame| frame.0 == RST_STREAM).unwrap();
    assert_eq!((reset.2, reset.3[3]), (1, 8));
    assert_eq!(peer.connection.outgoing.reserved, 0);
}

#[test]
fn streams_take_turns() {
    let mut peer = Peer::new();
    peer.send(&[update(0, 1 << 20), get(1), get(3), get(5)].concat()).unwrap();
    assert_eq!(peer.answer(1, 60_000), 60_000);
    assert_eq!(peer.answer(3, 100), 100);
    assert_eq!(peer.answer(5, 20_000), 20_000);
    assert_eq!(
        data(&mut peer),
        [
            (1, 16_384, false),
            (3, 100, true),
            (5, 16_384, false),
            (1, 16_384, false),
            (5, 3616, true),
            (1, 16_384, false),
            (1, 10_848, true),
        ]
    );
}

#[test]
fn no_more_of_a_reply_waits_than_agreed_and_its_writer_hears_of_room() {
    let mut peer = Peer::new();
    peer.send(&[setting(4, 1 << 20), update(0, 1 << 20), get(1)].concat()).unwrap();
    assert_eq!(peer.answer(1, 100_000), MAX_QUEUED);
    assert_eq!(peer.connection.reserve(1, 40_000), Ok(0));
    let before = peer.connection.waiters(1).unwrap().write;
    peer.connection.fill_outbox(40_000);
    assert!(peer.connection.waiters(1).unwrap().write > before);
    assert!(peer.connection.reserve(1, 40_000).unwrap() >= 16_384);
}

#[test]
fn the_window_of_the_connection_is_shared_in_turn() {
    let mut peer = Peer::new();
    peer.send(&[get(1), get(3), get(5)].concat()).unwrap();
    assert_eq!(peer.answer(1, 65_535), 65_535);
    for stream in [3, 5] {
        assert_eq!(peer.answer(stream, 30_000), 0);
    }
    data(&mut peer);
    peer.send(&update(0, 20_000)).unwrap();
    assert_eq!(peer.connection.reserve(3, 30_000), Ok(16_384));
    assert_eq!(peer.connection.reserve(5, 30_000), Ok(3616));
    // What one does not use goes to the next.
    peer.connection.send_data(3, Bytes::from_static(b"few"), false).unwrap();
    assert_eq!(peer.connection.reserve(5, 30_000), Ok(3616 + 16_381));
    // So does what the reset of a stream frees, whether it was granted or queued.
    peer.connection.reserve(3, 30_000).unwrap();
    peer.connection.reset(5, ErrorCode::CANCEL);
    assert_eq!(peer.connection.reserve(3, 30_000), Ok(19_997));
    peer.send(&frame(RST_STREAM, 0, 3, &[0, 0, 0, 8])).unwrap();
    assert_eq!(peer.connection.outgoing.free(), 20_000);
    assert_eq!(data(&mut peer), []);
}

#[test]
fn interim_replies_come_before_the_reply_alone() {
    let mut peer = Peer::new();
    peer.send(&get(1)).unwrap();
    let mut hint = Vec::new();
    block::status(&mut hint, 103);
    peer.connection.send_interim(1, &hint).unwrap();
    peer.answer(1, 3);
    assert_eq!(peer.connection.send_interim(1, &hint), Ok(()));
    assert_eq!(
        peer.shapes(),
        [(HEADERS, END_HEADERS, 1, 5), (HEADERS, END_HEADERS, 1, 1), (DATA, END_STREAM, 1, 3)]
    );
    assert!(peer.connection.send_interim(1, &hint).is_err());
}

#[test]
fn a_long_head_is_continued() {
    let mut peer = Peer::new();
    peer.send(&get(1)).unwrap();
    let mut head = reply();
    block::field(&mut head, b"x-long", &vec![b'\x01'; 40_000]);
    let length = head.len();
    peer.connection.send_head(1, &head, true).unwrap();
    assert_eq!(
        peer.shapes(),
        [
            (HEADERS, END_STREAM, 1, 16_384),
            (CONTINUATION, 0, 1, 16_384),
            (CONTINUATION, END_HEADERS, 1, length - 32_768),
        ]
    );
}

#[test]
fn an_unfinished_reply_that_nobody_goes_on_with_is_cancelled() {
    let mut peer = Peer::new();
    peer.send(&[get(1), get(3), get(5)].concat()).unwrap();
    peer.connection.drop_handle(1);
    peer.connection.send_head(3, &reply(), false).unwrap();
    peer.connection.drop_handle(3);
    peer.answer(5, 10);
    peer.connection.drop_handle(5);
    let said = peer.shapes();
    assert_eq!(said.iter().filter(|frame| frame.0 == RST_STREAM).count(), 2);
    assert_eq!(said.last(), Some(&(DATA, END_STREAM, 5, 10)));
    assert_eq!((peer.connection.open_streams(), peer.connection.streams.len()), (0, 0));
}
