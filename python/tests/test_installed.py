"""The package beside little else: what a site does not need, need not be installed."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))  # To import one of them is an error.
{script}
"""
FLASK = """
from flask import Flask
from weir_server.flask import Weir, shared, tag
app = Flask("site")
app.config["WEIR"] = {"TTL": 60, "ADMIN": "127.0.0.1:1"}
Weir(app)
@app.get("/")
@shared(tags=[tag("weather")])
def page(): return "sunny"
reply = app.test_client().get("/")
assert reply.headers["Surrogate-Key"] == "weather", reply.headers
"""
ASGI = """
from weir_server.asgi import Markup, Weir, escape, shared, tag
assert tag("weather") == "weather" and escape("<'").__html__() == "&lt;&#x27;" and Weir(ttl=60)
"""


@pytest.mark.parametrize(
    ("script", "missing"),
    [(FLASK, ["sqlalchemy", "django"]), (ASGI, ["sqlalchemy", "django", "flask", "starlette", "markupsafe"])],
)
def test_what_a_site_does_not_need(script: str, missing: list[str]) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT.format(missing=missing, script=script)], check=True)
