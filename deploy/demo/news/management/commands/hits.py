"""Says how many requests Weir has answered since it started, and for how many it has asked Django."""

import json
import urllib.request

from django.core.management import BaseCommand

STATUS = "http://127.0.0.1:9900/api/v1/status"


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args, **options):
        with urllib.request.urlopen(STATUS, timeout=5) as reply:
            status = json.load(reply)
        requests, calls = sum(status["requests"].values()), status["application"]["calls"]
        rate = 1 - calls / max(1, requests)
        self.stdout.write(f"{requests} requests, {calls} of them answered by Django: hit rate {rate:.2%}")
