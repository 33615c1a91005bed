"""Messages of ASGI, as far as a middleware needs them, and a hand on the head of a reply until its body begins."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class RawFields:
    """The fields of a message, by names in any case."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.raw: list[tuple[bytes, bytes]] = [
            (bytes(name), bytes(value)) for name, value in message.get("headers", ())
        ]
        message["headers"] = self.raw

    def __contains__(self, name: str) -> bool:
        return any(known.lower() == name.lower().encode() for known, _ in self.raw)

    def get(self, name: str, default: str = "") -> str:
        found = self.all(name)
        return found[0] if found else default

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for known, value in self.raw if known.lower() == name.lower().encode()]

    def __setitem__(self, name: str, value: str) -> None:
        self.raw[:] = [(known, old) for known, old in self.raw if known.lower() != name.lower().encode()]
        self.add(name, value)

    def add(self, name: str, value: str) -> None:
        self.raw.append((name.lower().encode("latin-1"), value.encode("latin-1")))


def asked(scope: Scope) -> RawFields:
    """The fields of a request; those of the scope stay as they are."""
    return RawFields({"headers": list(scope.get("headers", ()))})


@dataclass
class Head:
    """The head of a reply whose body begins."""

    status: int
    fields: RawFields
    # All of it, which may be replaced; None if more follows.
    body: bytes | None


def holding(send: Send, settle: Callable[[Head], Awaitable[None]]) -> Send:
    """A `send` that lets `settle` see and change the head of a reply, when its body begins."""
    held: list[Message] = []

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            held[:] = [message]
            return
        if held:
            start = held.pop()
            fields = RawFields(start)
            body = whole(message, fields)
            head = Head(int(start["status"]), fields, body)
            await settle(head)
            if head.body is not None and head.body != body:
                message = {**message, "body": head.body}
                if "content-length" in fields:
                    fields["content-length"] = str(len(head.body))
            await send(start)
        await send(message)

    return sending


def whole(message: Message, fields: RawFields) -> bytes | None:
    """The body, if this message has all of it. What Starlette's own middleware passes on says that more may follow."""
    if message["type"] != "http.response.body":
        return None
    body = bytes(message.get("body", b""))
    is_all = not message.get("more_body", False) or fields.get("content-length") == str(len(body))
    return body if is_all else None


def names(values: Iterable[str]) -> list[str]:
    """The members of a list in field lines, in lower case."""
    return [part.strip().lower() for value in values for part in value.split(",") if part.strip()]
