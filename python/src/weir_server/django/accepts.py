"""Pages that were chosen by what their visitors accept (a language, a type): they say so in Vary, or the first visitor
would choose for all. Django's LocaleMiddleware says it; a view that asks for itself may forget it.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import trans_real

from weir_server.django import capture

LANGUAGE, TYPE = "Accept-Language", "Accept"


def install() -> None:
    """Call it once."""
    read: Callable[[str], Any] = trans_real.parse_accept_lang_header
    if hasattr(read, "weir_usual"):
        return

    def parse_accept_lang_header(text: str) -> Any:
        recorder = capture.recorder()
        if recorder is not None:
            recorder.accepts.add(LANGUAGE)
        return read(text)

    parse_accept_lang_header.weir_usual = read  # type: ignore[attr-defined]
    trans_real.parse_accept_lang_header = parse_accept_lang_header  # type: ignore[assignment]


def settle(request: HttpRequest, response: HttpResponseBase, recorder: capture.Recorder) -> None:
    if "accepted_types" in request.__dict__:
        recorder.accepts.add(TYPE)
    if recorder.accepts:
        patch_vary_headers(response, sorted(recorder.accepts))
