"""Pages that are chosen by what their visitors accept say so, or the first visitor would choose for all."""

import asyncio
import sys
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from running import REPOSITORY, weir
from weir_server.django import WeirMiddleware

LANGUAGE = {"Accept-Language": "de"}


@pytest.mark.usefixtures("filled")
def test_views_of_django() -> None:
    def by_language(request: HttpRequest) -> HttpResponse:
        return HttpResponse(translation.get_language_from_request(request))

    def by_path(request: HttpRequest) -> HttpResponse:
        return HttpResponse(translation.get_language_from_request(request, check_path=True))

    def by_nothing(request: HttpRequest) -> HttpResponse:
        return HttpResponse("a page")

    for view, path, expected in (
        (by_language, "/", "Accept-Language"),
        (by_path, "/de/a/", None),
        (by_nothing, "/", None),
    ):
        response = WeirMiddleware(view)(RequestFactory().get(path, headers=LANGUAGE))
        assert isinstance(response, HttpResponse)
        assert response.get("Vary") == expected, view
    assert "Accept" in Client().get("/by-type/")["Vary"].split(", ")


PHONE = {"User-Agent": "Phone 1.0", "Sec-CH-UA-Mobile": "?1", "Save-Data": "on", "X-Other": "1"}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_view_of_django_looks_at(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands around it looks at for its log is no matter of the page."""
    from types import ModuleType

    negotiation = pytest.importorskip("rest_framework.negotiation")
    from django.conf import settings
    from django.template import engines
    from django.test import AsyncClient
    from django.urls import path

    seen: list[str] = []

    def logging(get_response: Any) -> Any:
        def middleware(request: HttpRequest) -> Any:
            seen.append(request.META["HTTP_USER_AGENT"])
            request.kind = SimpleLazyObject(lambda: request.headers["User-Agent"])  # type: ignore[attr-defined]
            response = get_response(request)
            seen.append(request.headers["user-agent"] + request.META.get("HTTP_SAVE_DATA", ""))
            assert request.META is getattr(request, "environ", request.META) and type(request.META) is dict
            assert request.META.get("made.by.view", "view") == "view"
            return response

        return middleware

    def template(text: str) -> Any:
        return lambda request: HttpResponse(engines["django"].from_string(text).render({"request": request}))

    def puts(request: HttpRequest) -> HttpResponse:
        request.META["made.by.view"] = "view"
        return HttpResponse("a page")

    def negotiates(request: HttpRequest) -> HttpResponse:
        return HttpResponse(negotiation.DefaultContentNegotiation().get_accept_list(request))

    views = {
        "meta": (lambda request: HttpResponse(request.META["HTTP_USER_AGENT"]), "User-Agent"),
        "asks": (lambda request: HttpResponse("HTTP_SAVE_DATA" in request.META), "save-data"),
        "headers": (lambda request: HttpResponse(request.headers.get("sec-ch-ua-mobile")), "sec-ch-ua-mobile"),
        "template": (template("{{ request.META.HTTP_USER_AGENT }}"), "user-agent"),
        "lazy": (template("{{ request.kind }}"), "user-agent"),
        "other": (lambda request: HttpResponse(request.META["HTTP_X_OTHER"]), None),
        "puts": (puts, None),
        "copies": (lambda request: HttpResponse(len(dict(request.META))), None),
        # It says itself where it matters.
        "framework": (negotiates, None),
    }
    urls = ModuleType("urls_of_fields")
    urls.urlpatterns = [path(name, view) for name, (view, _) in views.items()]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, urls.__name__, urls)
    monkeypatch.setitem(sys.modules, "logging_of_fields", ModuleType("logging_of_fields"))
    sys.modules["logging_of_fields"].logging = logging  # type: ignore[attr-defined]
    own = [settings.MIDDLEWARE[0], "logging_of_fields.logging"]
    with override_settings(ROOT_URLCONF=urls.__name__, MIDDLEWARE=own):
        for name, (_, expected) in views.items():
            if is_async:
                response: Any = asyncio.run(AsyncClient().get(f"/{name}", headers=PHONE))
            else:
                response = Client().get(f"/{name}", headers=PHONE)
            assert response.status_code == 200
            assert response.headers.get("Vary", "").lower() == (expected or "").lower(), name
    assert len(seen) == 2 * len(views)


def test_versions_of_the_rest_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view with one type has several replies all the same."""
    pytest.importorskip("rest_framework")
    from types import ModuleType

    from django.conf import settings
    from django.test import Client, override_settings
    from django.urls import path
    from rest_framework.renderers import JSONRenderer
    from rest_framework.response import Response
    from rest_framework.versioning import AcceptHeaderVersioning
    from rest_framework.views import APIView

    class Versions(APIView):
        authentication_classes, renderer_classes = (), (JSONRenderer,)
        versioning_class: Any = AcceptHeaderVersioning

        def get(self, request: Any) -> Response:
            return Response(request.version)

    class One(Versions):
        versioning_class = None

    urls = ModuleType("urls_of_versions")
    urls.urlpatterns = [path("versions", Versions.as_view()), path("one", One.as_view())]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, urls.__name__, urls)
    nobody = {"UNAUTHENTICATED_USER": None}
    with override_settings(ROOT_URLCONF=urls.__name__, MIDDLEWARE=settings.MIDDLEWARE[:1], REST_FRAMEWORK=nobody):
        for version in ("1.0", "2.0"):
            reply = Client().get("/versions", headers={"Accept": f"application/json; version={version}"})
            assert reply.json() == version and reply.headers["Vary"] == "Accept"
        assert "Vary" not in Client().get("/one").headers


def test_the_fields_are_those_that_weir_shows() -> None:
    import subprocess

    from weir_server._accepts import FIELDS

    shown = subprocess.run([weir(), "show", "fields"], capture_output=True, text=True, check=True).stdout
    kinds: dict[str, set[str]] = {}
    for line in shown.splitlines():
        if line and not line.startswith(" "):
            kind = line.partition(":")[0]
        elif line.strip():
            kinds.setdefault(kind, set()).update(line.split())
    assert kinds["vary"] - {"accept-encoding"} == set(FIELDS)


def test_views_of_flask() -> None:
    from flask import Flask, request

    from weir_server.flask import Weir

    app = Flask("accepts")
    app.config["WEIR"] = {"ADMIN": "127.0.0.1:1"}
    Weir(app)

    @app.get("/language")
    def language() -> str:
        return request.accept_languages.best_match(["en", "de"]) or ""

    @app.get("/type")
    def kind() -> str:
        return request.accept_mimetypes.best_match(["text/html", "application/json"]) or ""

    @app.get("/")
    def neither() -> str:
        return "a page"

    for path, expected in (("/language", "Accept-Language"), ("/type", "Accept"), ("/", None)):
        response = app.test_client().get(path, headers=LANGUAGE)
        assert response.headers.get("Vary") == expected, path


@pytest.mark.usefixtures("filled")
def test_views_of_starlette() -> None:
    sys.path.insert(0, str(REPOSITORY / "python/tests/asgi_site"))
    from typing import Annotated

    from fastapi import FastAPI, Header, Request, Response
    from starlette.testclient import TestClient

    from weir_server.asgi import Weir

    app = FastAPI()
    app.add_middleware(Weir(admin="127.0.0.1:1"))  # type: ignore[arg-type]

    @app.get("/language")
    async def language(request: Request) -> str:
        return request.headers.get("Accept-Language", "en")

    @app.get("/parameter")
    def parameter(accept_language: Annotated[str, Header()] = "en") -> str:
        return accept_language

    @app.get("/agent")
    def agent(user_agent: Annotated[str, Header()] = "") -> str:
        return user_agent

    @app.get("/log")
    async def log(request: Request) -> str:
        # It may be for a log.
        return "" if request.headers["user-agent"] else "none"

    @app.get("/consent")
    async def consent(request: Request) -> str:
        return request.headers.get("Sec-GPC", "0")

    @app.get("/said")
    async def said(request: Request, response: Response) -> Any:
        response.headers["Vary"] = "Accept-Language"
        return request.headers.get("accept-language")

    @app.get("/")
    async def neither(request: Request) -> str:
        return request.headers.get("Host", "")

    for path, expected in (
        ("/language", "accept-language"),
        ("/parameter", "accept-language"),
        ("/agent", "user-agent"),
        ("/log", ""),
        ("/consent", "sec-gpc"),
        ("/said", "accept-language"),
        ("/", ""),
    ):
        response = TestClient(app).get(path, headers=LANGUAGE)
        assert response.status_code == 200
        assert response.headers.get("Vary", "").lower() == expected, path
