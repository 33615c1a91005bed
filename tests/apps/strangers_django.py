"""strangers_wsgi.py as a Django site: the same pages, by Django's own means.

uwsgi --socket 127.0.0.1:PORT --wsgi-file strangers_django.py
"""

from datetime import UTC, datetime

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.cache import patch_cache_control
from django.views.decorators.http import condition
from django.views.decorators.vary import vary_on_headers

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="for tests only",
    USE_TZ=True,
    MIDDLEWARE=["django.middleware.http.ConditionalGetMiddleware"],
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    USE_X_FORWARDED_HOST=True,
)
django.setup()


def seen(request):
    lines = {
        "url": request.build_absolute_uri(),
        "scheme": request.scheme,
        "host": request.get_host(),
        "cookies": dict(request.COOKIES),
        "form": dict(request.POST),
    }
    texts = {key: value for key, value in request.META.items() if isinstance(value, str)}
    text = "".join(f"{key}={value}\n" for key, value in sorted({**texts, **lines}.items()))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def last_modified(request, location):
    return datetime(2026, 1, 1, tzinfo=UTC)


@condition(last_modified_func=last_modified)
@vary_on_headers("Accept-Language")
def language(request, location):
    response = seen(request)
    if language := request.headers.get("Accept-Language", "")[:2]:
        response["Content-Language"] = language
    return response


def show(request, location, page):
    if page == "gate":
        return HttpResponseRedirect("/login?" + request.META["QUERY_STRING"])
    response = seen(request)
    if page in ("agent", "cookie"):
        response["Vary"] = {"agent": "User-Agent", "cookie": "Cookie"}[page]
    elif page == "public":
        patch_cache_control(response, public=True, max_age=1)
    elif page == "welcome":
        response.set_cookie("greeted", request.META["REMOTE_ADDR"])
    return response


urlpatterns = [path("<location>/language", language), path("<location>/<page>", show)]
application = get_wsgi_application()
