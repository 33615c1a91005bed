"""Pages that were chosen by what their visitors accept (a language, a type), or by another field by which standards
let a server choose: they say so in Vary, or the first visitor would choose for all. Django's LocaleMiddleware says it;
a view or a template that asks for itself may forget it.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponseBase
from django.http.request import HttpHeaders
from django.utils.cache import patch_vary_headers
from django.utils.translation import trans_real

from weir_server._accepts import FIELDS
from weir_server.django import capture

LANGUAGE, TYPE = "Accept-Language", "Accept"
# As they are called in META.
VARIABLES = {f"HTTP_{name.upper().replace('-', '_')}": name for name in FIELDS}
# These say it themselves where it matters, or hand on what somebody else asks for.
KNOWING = ("django.", "rest_framework.")
HANDING_ON = ("_collections_abc", "collections.abc", "django.utils.datastructures", "django.http.request", __name__)


class Watched(dict[str, Any]):
    """META, while a view makes its page: notes the fields that are looked at."""

    def __getitem__(self, key: str) -> Any:
        look(VARIABLES.get(key))
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        look(VARIABLES.get(key))  # type: ignore[call-overload]
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        look(VARIABLES.get(key))
        return super().get(key, default)


def look(field: str | None) -> None:
    if field is None:
        return
    recorder = capture.recorder()
    if recorder is not None and recorder.is_in_view and not is_knowing(reader()):
        recorder.accepts.add(field)


def reader() -> str:
    """The module that asks."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in HANDING_ON:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def is_knowing(module: str) -> bool:
    return module.startswith(KNOWING) and not module.startswith("django.template.")


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
    watch_headers()
    watch_views()
    watch_versions()


def watch_headers() -> None:
    usual: Callable[[HttpHeaders, str], str] = HttpHeaders.__getitem__

    def getitem(self: HttpHeaders, key: str) -> str:
        name = key.replace("_", "-").lower()
        look(name if name in FIELDS else None)
        return usual(self, key)

    HttpHeaders.__getitem__ = getitem  # type: ignore[method-assign,assignment]


def watch_versions() -> bool:
    """The rest framework says `Accept` in Vary where a view has several types, and not where it has several versions.
    Whether it is watched from now on: call it often, since it may be imported with the first page.
    """
    module = sys.modules.get("rest_framework.versioning")
    versioning: Any = getattr(module, "AcceptHeaderVersioning", None)
    if versioning is None or hasattr(versioning, "weir_usual"):
        return False
    determine: Callable[..., Any] = versioning.determine_version

    def determine_version(self: Any, *args: Any, **more: Any) -> Any:
        recorder = capture.recorder()
        if recorder is not None:
            recorder.accepts.add(TYPE)
        return determine(self, *args, **more)

    versioning.weir_usual, versioning.determine_version = determine, determine_version
    return True


def watch_views() -> None:
    """What middleware looks at before a view and after it is mostly written to some log."""
    answer: Callable[..., Any] = BaseHandler._get_response  # type: ignore[attr-defined]
    answer_later: Callable[..., Any] = BaseHandler._get_response_async  # type: ignore[attr-defined]

    @functools.wraps(answer)
    def get_response(self: BaseHandler, request: HttpRequest) -> Any:
        with watching(request):
            return answer(self, request)

    @functools.wraps(answer_later)
    async def get_response_async(self: BaseHandler, request: HttpRequest) -> Any:
        with watching(request):
            return await answer_later(self, request)

    BaseHandler._get_response = get_response  # type: ignore[attr-defined]
    BaseHandler._get_response_async = get_response_async  # type: ignore[attr-defined]


@contextlib.contextmanager
def watching(request: HttpRequest) -> Iterator[None]:
    recorder = capture.recorder()
    if recorder is None:
        yield
        return
    plain = request.META
    request.META = watched = Watched(plain)
    recorder.is_in_view = True
    try:
        yield
    finally:
        recorder.is_in_view = False
        if request.META is watched:
            # The server's own, with what the view has put there.
            plain.clear()
            plain.update(watched)
            request.META = plain


def settle(request: HttpRequest, response: HttpResponseBase, recorder: capture.Recorder) -> None:
    if "accepted_types" in request.__dict__ or watch_versions():
        recorder.accepts.add(TYPE)
    if recorder.accepts:
        patch_vary_headers(response, sorted(recorder.accepts))
