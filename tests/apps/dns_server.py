"""A DNS server of the records in a zone file, which is read anew for each question: dns_server.py PORT FILE"""

import sys
import time
from pathlib import Path

from dnslib import QTYPE, RCODE, RR
from dnslib.server import BaseResolver, DNSServer


class Zone(BaseResolver):
    def __init__(self, file):
        self.file = Path(file)

    def resolve(self, request, handler):
        reply = request.reply()
        of_name = [record for record in RR.fromZone(self.file.read_text()) if record.rname == request.q.qname]
        if not of_name:
            reply.header.rcode = RCODE.NXDOMAIN
        reply.add_answer(
            *(record for record in of_name if record.rtype == request.q.qtype or request.q.qtype == QTYPE.ANY)
        )
        return reply


if __name__ == "__main__":
    port, file = sys.argv[1:]
    for tcp in (False, True):
        DNSServer(Zone(file), address="127.0.0.1", port=int(port), tcp=tcp).start_thread()
    while True:
        time.sleep(3600)
