"""A small Flask site with a login: Flask's signed session cookie, flashed messages, a page per visitor and one for all.

    uwsgi --socket 127.0.0.1:PORT --wsgi-file flask_app.py --callable application

/                a page for all: never touches the session
/me              who is signed in, from the session; Flask adds Vary: Cookie
/login           GET: a form; POST name=: signs in, flashes a message, redirects to /me
/logout          POST: signs out
/flash           GET: flashes a message for the next /me
"""

from itertools import count

from flask import Flask, flash, get_flashed_messages, redirect, request, session
from markupsafe import escape

application = Flask(__name__)
application.secret_key = "for tests only"
generated = count(1)


@application.get("/")
def front():
    return f"<!doctype html><title>Front</title><p>page {next(generated)} of this process, for all</p>\n"


@application.get("/me")
def me():
    messages = "".join(f"<p class=flash>{escape(message)}</p>" for message in get_flashed_messages())
    return f"<!doctype html><title>Me</title>{messages}<p>you are {escape(session.get('name', 'nobody'))}</p>\n"


@application.get("/login")
def login_form():
    return "<!doctype html><title>Login</title><form method=post><input name=name><button>Sign in</button></form>\n"


@application.post("/login")
def login():
    session["name"] = request.form["name"]
    flash(f"welcome, {session['name']}")
    return redirect("/me")


@application.post("/logout")
def logout():
    session.clear()
    return redirect("/me")


@application.get("/flash")
def flash_one():
    flash("for you alone")
    return "flashed\n"
