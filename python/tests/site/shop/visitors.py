"""Visitors who sign in with a name, and pages that greet them."""

from django.core import signing
from django.http import HttpResponse, HttpResponseRedirect
from django.template import engines
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject
from django.views.decorators.gzip import gzip_page

from shop.models import Tag
from weir_server.django import shared

GREETING = """{% load weir %}<p id="hello" title="{% visitor_value "name" default=default %}">Hello \
{% visitor_value "name" default=default %}</p><form method="post">{% csrf_token %}</form>"""
DEFAULT = 'friënd " % <'


class Visitor:
    def __init__(self, name):
        self.name = name
        self.is_authenticated = name is not None


def values(user):
    return {"name": user.name}


class Middleware:
    """As Django's own: who it is, is looked up when somebody asks."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        asked = []

        def visitor():
            asked.append(True)
            try:
                return Visitor(signing.loads(request.COOKIES["sessionid"]))
            except (KeyError, signing.BadSignature):
                return Visitor(None)

        request.user = SimpleLazyObject(visitor)
        response = self.get_response(request)
        if asked:
            patch_vary_headers(response, ("Cookie",))
        return response


def hello(request):
    return HttpResponse(engines["django"].from_string(GREETING).render({"default": DEFAULT}, request))


for_all = shared(ttl="1h")(hello)
# It says that it is for everyone, and is not: it asks who is signed in.
members = shared(ttl="1h")(lambda request: HttpResponse(f"only for {request.user.name}"))
zipped = gzip_page(lambda request: HttpResponse(hello(request).content + b"<p>so that it is long</p>" * 50))


def latin(request):
    page = engines["django"].from_string(GREETING.partition("<form")[0]).render({"default": DEFAULT}, request)
    return HttpResponse(page.encode("latin-1"), content_type="text/html; charset=latin-1")


def sign_in(request):
    name = request.POST["name"]
    request.user = Visitor(name)
    response = HttpResponse("welcome")
    response.set_cookie("sessionid", signing.dumps(name), httponly=True)
    return response


def link(request, name):
    """A link that was sent by mail, and signs in once."""
    if not Tag.objects.filter(name=name).delete()[0]:
        return HttpResponse("the link was used already", status=404)
    response = HttpResponseRedirect("/hello/")
    response.set_cookie("sessionid", signing.dumps(name), httponly=True)
    return response


def sign_out(request):
    request.user = Visitor(None)
    response = HttpResponse("good bye")
    response.delete_cookie("sessionid")
    return response
