"""The application under siege, for any WSGI server: small pages, large downloads, uploads."""

PAGE = b"<!doctype html><title>Page</title>\n" + b"." * 10_000
MEBIBYTE = bytes(2**20)
# What /download/MEBIBYTES answers, at most.
MOST = 20


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body, length = [PAGE], len(PAGE)
    if "/download/" in path:
        pieces = min(int(path.rpartition("/")[2]), MOST)
        body, length = (MEBIBYTE for _ in range(pieces)), pieces * len(MEBIBYTE)
    elif path.endswith("/naming"):
        # Its reply says that it has changed the page of the others.
        environ["wsgi.input"].read()
        start_response("201 Created", [("Location", "/c/page"), ("Content-Length", "0")])
        return []
    elif environ["REQUEST_METHOD"] == "POST":
        received = 0
        while piece := environ["wsgi.input"].read(65536):
            received += len(piece)
        body = [str(received).encode()]
        length = len(body[0])
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(length))])
    return body
