"""Leaves holes where a page to be shared has the nonce of its Content-Security-Policy, whoever has made it: Django's
own middleware, django-csp or the site.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from weir_server import _nonces
from weir_server._holes import FIELD
from weir_server.django import packed
from weir_server.django.conf import conf
from weir_server.django.holes import OFFER


def settle(request: HttpRequest, response: HttpResponseBase) -> None:
    """Where this cannot be done, Weir does not share the page."""
    policies = {name: response[name] for name in _nonces.POLICIES if name in response}
    if not policies or not _nonces.offered(request.META.get(OFFER)) or not conf().holes:
        return
    # A 304 is about a page that has its own.
    if response.status_code == 304 or not isinstance(response, HttpResponse) or response.streaming:
        return
    content, marks = packed.plain_content(response), _nonces.marks(policies.values())
    if content is None or not marks:
        return
    packed.replace(response, _nonces.marked_body(content, marks))
    for name, policy in policies.items():
        response[name] = _nonces.marked(policy, marks)
    before, declared = response.get(FIELD), _nonces.declaration(marks)
    response[FIELD] = f"{before}, {declared}" if before else declared
