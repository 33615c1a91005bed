"""Links that expire, as storages of files sign them: a page must not live longer than those in it."""

import datetime
import re
import time
from urllib.parse import parse_qsl, urlsplit

# A visitor follows a link, or the browser loads an image, some time after the page.
PART = 0.9
# When it was signed, as in "20261130T210000Z", stands beside for how many seconds: X-Amz-Date, X-Goog-Date, x-oss-date.
FOR_SECONDS = re.compile(r"x-(?:amz|goog|oss)-expires", re.IGNORECASE)
# The second of Unix time, or a time in words, at which it expires: CloudFront, older signatures; Azure.
AT = frozenset(("expires", "exp", "se", "expiry", "x-oss-expires-at"))


def seconds_left(url: str) -> float | None:
    """For how long a page may show a link; None: it does not expire, as far as can be seen."""
    if "?" not in url:
        return None
    given = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    ends = [end for name, value in given.items() if (end := end_of(name, value, given)) is not None]
    return max(0.0, (min(ends) - time.time()) * PART) if ends else None


def end_of(name: str, value: str, given: dict[str, str]) -> float | None:
    if FOR_SECONDS.fullmatch(name):
        signed = moment(given.get(name.replace("expires", "date"), ""))
        return None if signed is None or not value.isdecimal() else signed + int(value)
    if name in AT:
        return float(value) if value.isdecimal() else moment(value)
    return None


def moment(text: str) -> float | None:
    for form in ("%Y%m%dT%H%M%S%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d%z"):
        try:
            # Python 3.10 takes no Z for UTC in `fromisoformat`.
            return datetime.datetime.strptime(re.sub(r"Z?$", "+0000", text, count=1), form).timestamp()
        except ValueError:
            continue
    return None
