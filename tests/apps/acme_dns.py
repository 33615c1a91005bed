"""What an owner's `dns_command` is, for pebble-challtestsrv: acme_dns.py PORT add|remove NAME VALUE"""

import json
import sys
import urllib.request

port, action, name, value = sys.argv[1:]
if action not in ("add", "remove"):
    sys.exit(f"what is {action}?")
call = {"add": "set-txt", "remove": "clear-txt"}[action]
body = json.dumps({"host": f"{name}.", "value": value} if action == "add" else {"host": f"{name}."}).encode()
urllib.request.urlopen(f"http://127.0.0.1:{port}/{call}", body, timeout=30).close()
