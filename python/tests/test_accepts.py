"""Pages that are chosen by what their visitors accept say so, or the first visitor would choose for all."""

import sys
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import translation

from running import REPOSITORY
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
        ("/said", "accept-language"),
        ("/", ""),
    ):
        response = TestClient(app).get(path, headers=LANGUAGE)
        assert response.status_code == 200
        assert response.headers.get("Vary", "").lower() == expected, path
