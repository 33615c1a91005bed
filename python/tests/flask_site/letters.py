"""A Flask site whose shared pages have a form."""

from flask import Flask, Response, render_template_string, request, session

from weir_server.flask import Weir, shared
from weir_server.flask_csrf import Csrf, exempt

app = Flask(__name__)
app.secret_key = "only for tests"
app.config["WEIR"] = {"TTL": "1d"}
weir = Weir(app)
csrf = Csrf(app)

FORM = '<form method="post"><input type="hidden" name="csrf_token" value="{{ csrf_token() }}"></form>'


@app.route("/", methods=["GET", "POST"])
def letter() -> str:
    return "sent" if request.method == "POST" else render_template_string(FORM)


@app.get("/shared")
@shared(ttl="1h")
def for_all() -> str:
    return render_template_string(FORM)


@app.get("/streamed")
def streamed() -> Response:
    page = render_template_string(FORM)
    return Response(iter([page]), mimetype="text/html")


@app.get("/session")
def in_session() -> str:
    session["seen"] = True
    return render_template_string(FORM)


@app.post("/hook")
@exempt
def hook() -> str:
    return "taken"
