"""Adds RFC 9773 to an authority that lacks it: acme_renewal_info.py PORT AUTHORITY_PORT CERTIFICATE KEY WINDOW

WINDOW is a file with two numbers: from when to when, in seconds from now, each certificate is to be renewed. All
other requests go to the authority as they are.
"""

import http.client
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

port, authority, certificate, key, window = sys.argv[1:]


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/renewal-info/"):
            times = [time.gmtime(time.time() + float(number)) for number in Path(window).read_text().split()]
            start, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", moment) for moment in times)
            body = json.dumps({"suggestedWindow": {"start": start, "end": end}}).encode()
            self.answer(200, [("Retry-After", "21600")], body)
            return
        length = int(self.headers.get("Content-Length") or 0)
        client = http.client.HTTPSConnection("127.0.0.1", int(authority), context=ssl._create_unverified_context())
        client.request(self.command, self.path, self.rfile.read(length), dict(self.headers))
        reply = client.getresponse()
        body = reply.read()
        if self.path == "/dir":
            body = json.dumps(json.loads(body) | {"renewalInfo": f"https://localhost:{port}/renewal-info"}).encode()
        framing = ("content-length", "transfer-encoding", "connection")
        kept = [(name, value) for name, value in reply.getheaders() if name.lower() not in framing]
        self.answer(reply.status, kept, body)

    do_HEAD = do_POST = do_GET

    def answer(self, status, fields, body):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", int(port)), Proxy)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
