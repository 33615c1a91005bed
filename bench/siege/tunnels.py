"""The part of the application under siege that keeps connections: WebSockets, streams of events, and a page."""

from bench.siege.app import PAGE


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
    elif scope["path"].endswith("/events"):
        await _start(send, b"text/event-stream")
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        body, answer = b"", PAGE
        if scope["method"] == "POST":
            more = True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            answer = str(len(body)).encode()
        await _start(send, b"text/html")
        await send({"type": "http.response.body", "body": answer})


async def _start(send, kind):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
