"""Assertions for tests of a site, which need no running Weir. For Django: `weir_server.django.testing`.

    assert_shared(client.get("/"))
    assert_private(client.get("/account"))

A reply may be one of Django's, of Werkzeug's (Flask), or of `requests` and `httpx` (FastAPI's test client).
"""

from http.cookies import SimpleCookie
from typing import Any

from weir_server._judge import Judged, judge

__all__ = ["Judged", "assert_private", "assert_shared", "verdict"]


def assert_shared(reply: Any, *, signed_in: bool = False, authorization: bool = False) -> None:
    """Weir stores this reply, and gives it to other visitors.

    `signed_in`: it was made for a visitor with a session, and is for all the same: only a reply that says that it is
    public is, and that does not vary by Cookie. `authorization`: the request had that field.
    """
    found = verdict(reply, signed_in=signed_in, authorization=authorization)
    if found.reason is not None:
        raise AssertionError(f"Weir does not share this reply: {found.reason} (docs/python.md, Why is it not cached?)")


def assert_private(reply: Any, *, signed_in: bool = False, authorization: bool = False) -> None:
    """Weir gives this reply to nobody else."""
    found = verdict(reply, signed_in=signed_in, authorization=authorization)
    if found.reason is None:
        whom = "all visitors" if found.shared else "all visitors who are not signed in"
        raise AssertionError(f"Weir shares this reply with {whom}")


def verdict(reply: Any, *, signed_in: bool = False, authorization: bool = False) -> Judged:
    """What Weir decides, and why."""
    return judge(
        int(reply.status_code), fields_of(reply), body_of(reply), personal=signed_in, authorization=authorization
    )


def fields_of(reply: Any) -> list[tuple[str, str]]:
    found = [(str(name), str(value)) for name, value in reply.headers.items()]
    cookies = getattr(reply, "cookies", None)
    if isinstance(cookies, SimpleCookie):
        # Django keeps them apart.
        found += [("Set-Cookie", cookie.OutputString()) for cookie in cookies.values()]
    return found


def body_of(reply: Any) -> bytes:
    if getattr(reply, "streaming", False) and hasattr(reply, "getvalue"):
        return bytes(reply.getvalue())
    for name in ("content", "data"):
        body = getattr(reply, name, None)
        if isinstance(body, bytes):
            return body
    return b""
