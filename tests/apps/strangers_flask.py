"""strangers_wsgi.py as a Flask site: the same pages, by Flask's own means.

uwsgi --socket 127.0.0.1:PORT --wsgi-file strangers_flask.py
"""

from datetime import UTC, datetime

from flask import Flask, make_response, redirect, request

application = Flask(__name__)
LAST_MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


def seen():
    lines = {
        "url": request.url,
        "scheme": request.scheme,
        "host": request.host,
        "remote": request.remote_addr,
        "route": request.access_route,
        "cookies": dict(request.cookies),
        "form": dict(request.form),
        "authorization": request.authorization,
    }
    texts = {key: value for key, value in request.environ.items() if isinstance(value, str)}
    return "".join(f"{key}={value}\n" for key, value in sorted({**texts, **lines}.items()))


@application.route("/<location>/<page>", methods=["GET", "POST"])
def show(location, page):
    if page == "gate":
        return redirect("/login?" + request.query_string.decode("latin-1"))
    response = make_response(seen())
    response.mimetype = "text/plain"
    if page == "language":
        response.vary.add("Accept-Language")
        response.last_modified = LAST_MODIFIED
        if language := request.headers.get("Accept-Language", "")[:2]:
            response.content_language.add(language)
        response.make_conditional(request)
    elif page == "agent":
        response.vary.add("User-Agent")
        response.add_etag()
        response.make_conditional(request)
    elif page == "cookie":
        response.vary.add("Cookie")
    elif page == "public":
        response.cache_control.public = True
        response.cache_control.max_age = 1
    elif page == "welcome":
        response.set_cookie("greeted", request.remote_addr)
    return response
