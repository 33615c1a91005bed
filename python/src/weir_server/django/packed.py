"""Pages that the application has compressed: Weir does that once their holes are filled."""

import gzip

from django.http import HttpResponse


def plain_content(response: HttpResponse) -> bytes | None:
    """The body as it was before; None if that is not known."""
    coding = response.get("Content-Encoding", "identity")
    if coding not in ("identity", "gzip"):
        return None
    return gzip.decompress(response.content) if coding == "gzip" else response.content


def replace(response: HttpResponse, content: bytes) -> None:
    response.content = content
    if "Content-Encoding" in response:
        del response["Content-Encoding"]
    if "Content-Length" in response:
        response["Content-Length"] = str(len(content))
