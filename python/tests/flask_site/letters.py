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


@app.get("/hello")
@shared(ttl="1h")
def hello() -> str:
    return render_template_string('<p title="{{ visitor_value("name", "<you>") }}">' + FORM)


@app.post("/sign-in")
def sign_in() -> Response:
    response = Response("welcome")
    weir.remember(response, name=request.form["name"])
    return response


@app.post("/sign-out")
def sign_out() -> Response:
    response = Response("good bye")
    weir.forget(response)
    return response


@app.post("/hook")
@exempt
def hook() -> str:
    return "taken"
