//! What is known to hurt servers of HTTP/2: it costs nothing that lasts, and is counted.

use proptest::prelude::*;

use super::*;

/// CVE-2023-44487.
#[test]
fn requests_that_are_reset_at_once_leave_nothing() {
    let mut peer = Peer::new();
    for n in 0..5000 {
        let stream = 2 * n + 1;
        peer.send(&[get(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()).unwrap();
        peer.connection.drop_handle(stream);
    }
    assert_eq!(peer.connection.counts().resets, 5000);
    assert_eq!((peer.connection.streams.len(), peer.connection.open_streams()), (0, 0));
    assert_eq!(peer.frames(), []);
}

/// CVE-2025-8671: the client makes the server reset.
#[test]
fn resets_that_the_client_provokes_are_counted() {
    let mistakes: [fn(u32) -> Vec<u8>; 4] = [
        |stream| update(stream, 0),
        |stream| update(stream, MAX_WINDOW),
        |stream| frame(PRIORITY, 0, stream, &[0; 4]),
        |stream| frame(HEADERS, WHOLE, stream, GET),
    ];
    for (n, mistake) in (0u32..).zip(mistakes) {
        let mut peer = Peer::new();
        for stream in (1..200).step_by(2) {
            peer.send(&[get(stream), mistake(stream)].concat()).unwrap();
            peer.connection.drop_handle(stream);
        }
        assert_eq!((peer.connection.counts().blaming, peer.connection.streams.len()), (100, 0), "{n}");
    }
}

/// CVE-2024-27316 and others.
#[test]
fn a_head_without_end_ends_the_connection() {
    for piece in [&b""[..], b"\x00", &[0; 16_384]] {
        let mut peer = Peer::new();
        peer.send(&frame(HEADERS, 0, 1, GET)).unwrap();
        let more = frame(CONTINUATION, 0, 1, piece);
        let ended = (0..100).find_map(|_| peer.send(&more).err());
        assert_eq!(ended, Some(ErrorCode::ENHANCE_YOUR_CALM), "{}", piece.len());
        assert!(peer.connection.partial.capacity() < 20_000);
    }
}

#[test]
fn a_head_that_is_too_long_is_told_apart() {
    let mut peer = Peer::new();
    let mut long = GET.to_vec();
    block::field(&mut long, b"x-long", &[1; 5000]);
    peer.send(&frame(HEADERS, WHOLE, 1, &long)).unwrap();
    assert!(peer.fields.is_over());
    peer.send(&get(3)).unwrap();
    assert!(!peer.fields.is_over());
}

#[test]
fn frames_that_bring_nothing_are_counted() {
    let cases: [(&str, Vec<u8>, u64); 11] = [
        ("empty DATA", frame(DATA, 0, 1, b""), 1),
        ("DATA of padding alone", frame(DATA, PADDED, 1, b"\x02\0\0"), 1),
        ("the last DATA", frame(DATA, END_STREAM, 1, b""), 0),
        ("DATA", frame(DATA, 0, 1, b"x"), 0),
        ("a request", get(3), 0),
        ("PRIORITY", frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 1]), 1),
        ("SETTINGS", frame(SETTINGS, 0, 0, b""), 1),
        ("PING", frame(PING, 0, 0, b"12345678"), 1),
        ("WINDOW_UPDATE", update(0, 1), 1),
        ("GOAWAY", frame(GOAWAY, 0, 0, &[0; 8]), 1),
        ("unknown", frame(99, 0, 0, b"anything"), 1),
    ];
    for (what, bytes, idle) in cases {
        let mut peer = Peer::new();
        peer.send(&post(1)).unwrap();
        let before = peer.connection.counts().idle;
        peer.send(&bytes).unwrap();
        assert_eq!(peer.connection.counts().idle - before, idle, "{what}");
    }
}

/// DATA byte by byte is kept as bytes, not as pieces.
#[test]
fn small_pieces_of_a_body_cost_no_more_than_large_ones() {
    let mut peer = Peer::new();
    peer.send(&post(1)).unwrap();
    for _ in 0..60_000 {
        peer.send(&frame(DATA, 0, 1, b"x")).unwrap();
    }
    let stream = peer.connection.streams.get(&1).unwrap();
    assert!(stream.incoming.received.capacity() < 200_000);
}

proptest! {
    /// Whatever comes, in whatever pieces: the same frames are the answer, and no count runs away.
    #[test]
    fn bytes_mean_the_same_in_pieces(
        parts in proptest::collection::vec(
            (0..12u8, any::<u8>(), 0..8u32, proptest::collection::vec(any::<u8>(), 0..40)),
            1..30,
        ),
        good in proptest::collection::vec(any::<bool>(), 30),
        piece in 1..50usize,
    ) {
        let mut bytes = Vec::new();
        for (index, (kind, flags, stream, payload)) in parts.iter().enumerate() {
            if good[index] {
                let stream = 2 * index as u32 + 1;
                bytes.extend(if kind % 2 == 0 { get(stream) } else { post(stream) });
            }
            let payload: &[u8] = match *kind {
                PRIORITY => &payload[..payload.len().min(5)],
                RST_STREAM | WINDOW_UPDATE => &payload[..payload.len().min(4)],
                PING => b"12345678",
                _ => payload,
            };
            bytes.extend(frame(*kind, *flags, *stream, payload));
        }
        let run = |piece: usize| {
            let mut peer = Peer::new();
            let mut arrivals = Vec::new();
            let ended = bytes.chunks(piece).find_map(|piece| match peer.send(piece) {
                Ok(new) => { arrivals.extend(new); None }
                Err(code) => Some(code),
            });
            for arrival in &arrivals {
                if !peer.connection.is_reset(arrival.stream) {
                    peer.answer(arrival.stream, 100);
                }
                peer.connection.drop_handle(arrival.stream);
            }
            let frames = peer.frames();
            (ended, ended.is_none().then_some(arrivals), frames, peer.connection.outgoing.reserved)
        };
        let whole = run(bytes.len());
        let cut = run(piece);
        prop_assert_eq!(&whole.0, &cut.0);
        prop_assert_eq!(&whole.1, &cut.1);
        // If the connection ended, requests of the last piece may not have been seen.
        if whole.0.is_none() {
            prop_assert_eq!(&whole.2, &cut.2);
        }
        let _ = (whole.3, cut.3);
    }
}
