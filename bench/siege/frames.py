"""The few HTTP/2 frames that the attacks send, written by hand (RFC 9113, RFC 7541)."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_HEADERS = 4
END_STREAM_AND_HEADERS = 5
INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(**windows: int) -> bytes:
    """Settings with these values; the name of each is in capitals above."""
    values = b"".join(globals()[name].to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in windows.items())
    return frame(SETTINGS, 0, 0, values)


def get(stream: int, host: str, path: str, fields: dict[str, str], scheme: str = "http", ends: bool = True) -> bytes:
    """A request, whole if it ends. Its fields are literals without tables; none is longer than 126 bytes."""
    pseudo = {":method": "GET", ":scheme": scheme, ":authority": host, ":path": path}
    return frame(HEADERS, END_STREAM_AND_HEADERS if ends else END_HEADERS, stream, _block(pseudo | fields))


def post(stream: int, host: str, path: str, fields: dict[str, str]) -> bytes:
    """The head of an upload."""
    pseudo = {":method": "POST", ":scheme": "http", ":authority": host, ":path": path}
    return frame(HEADERS, END_HEADERS, stream, _block(pseudo | fields))


def _block(fields: dict[str, str]) -> bytes:
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def _text(value: str) -> bytes:
    return bytes((len(value),)) + value.encode()
