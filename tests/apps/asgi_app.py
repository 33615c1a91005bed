"""The oracle for ASGI servers, and what only ASGI can do.

    uvicorn --app-dir tests/apps asgi_app:application

/ws          a WebSocket that sends back what it gets; "close" closes it, "client" tells who asks
/ws/refused  refuses the handshake
/events      text/event-stream: three events, GAP ms apart (?gap=)
all else     as oracle.py
"""

import asyncio
from urllib.parse import parse_qs

from a2wsgi import WSGIMiddleware
from oracle import application as wsgi

oracle = WSGIMiddleware(wsgi, workers=16)


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["type"] == "websocket":
        return await websocket(scope, receive, send)
    if scope["path"] == "/events":
        return await events(scope, send)
    return await oracle(scope, receive, send)


async def lifespan(receive, send):
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def websocket(scope, receive, send):
    await receive()
    if scope["path"].endswith("/refused"):
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text == "close":
            await send({"type": "websocket.close", "code": 1000})
            return
        if text == "client":
            message["text"] = scope["client"][0]
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def events(scope, send):
    gap = int(parse_qs(scope["query_string"].decode()).get("gap", ["100"])[0]) / 1000
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(3):
        await send({"type": "http.response.body", "body": f"data: {number}\n\n".encode(), "more_body": True})
        await asyncio.sleep(gap)
    await send({"type": "http.response.body", "body": b""})
