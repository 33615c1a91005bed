"""A WSGI application whose pages show everything that it can see, so that whatever is shared wrongly is seen.

    uwsgi --socket 127.0.0.1:PORT --wsgi-file strangers_wsgi.py

The path's last segment says which page:

plain      a page about which nothing is said
language   Vary: Accept-Language, Content-Language, a Last-Modified that never changes, 304 to any If-Modified-Since
agent      Vary: User-Agent, with an ETag of what it shows
cookie     Vary: Cookie
public     Cache-Control: public, max-age=1
welcome    Set-Cookie with the visitor's address
gate       302 to a login page that is told the query
"""

import hashlib

LAST_MODIFIED = ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
FIELDS = {
    "language": [("Vary", "Accept-Language"), LAST_MODIFIED],
    "agent": [("Vary", "User-Agent")],
    "cookie": [("Vary", "Cookie")],
    "public": [("Cache-Control", "public, max-age=1")],
}


def application(environ, start_response):
    seen = "".join(f"{key}={value}\n" for key, value in sorted(environ.items()) if isinstance(value, str))
    if environ["REQUEST_METHOD"] == "POST":
        seen += "body=" + environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode("latin-1") + "\n"
    body = seen.encode("latin-1", "replace")
    page = environ["PATH_INFO"].rsplit("/", 1)[-1]
    status, fields = "200 OK", [("Content-Type", "text/plain; charset=utf-8"), *FIELDS.get(page, [])]
    if page == "agent":
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        fields.append(("ETag", tag))
        if tag in environ.get("HTTP_IF_NONE_MATCH", ""):
            status = "304 Not Modified"
    language = environ.get("HTTP_ACCEPT_LANGUAGE", "")[:2]
    if page == "language" and language:
        fields.append(("Content-Language", language))
    if page == "language" and "HTTP_IF_MODIFIED_SINCE" in environ:
        status = "304 Not Modified"
    if page == "welcome":
        fields.append(("Set-Cookie", f"greeted={environ.get('REMOTE_ADDR')}"))
    if page == "gate":
        status = "302 Found"
        fields.append(("Location", "/login?" + environ.get("QUERY_STRING", "")))
    if status.startswith("304"):
        body = b""
    else:
        fields.append(("Content-Length", str(len(body))))
    start_response(status, fields)
    return [body]
