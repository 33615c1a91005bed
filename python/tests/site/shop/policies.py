"""Pages with a Content-Security-Policy whose nonce is another one each time, as Django 6.0 and django-csp make it."""

import secrets

from django.http import HttpResponse, StreamingHttpResponse
from django.template import engines
from django.views.decorators.gzip import gzip_page

from shop.models import Tag

PAGE = """<script nonce="{{ nonce }}">one()</script>{% for tag in tags %}<p>{{ tag.name }}</p>{% endfor %}\
{% if form %}<form method="post">{% csrf_token %}</form>{% endif %}<script nonce="{{ nonce }}">two()</script>"""


def with_policy(response, nonce):
    response["Content-Security-Policy"] = f"script-src 'self' 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
    return response


def page(request, form=False):
    nonce = secrets.token_urlsafe(16)
    shown = {"nonce": nonce, "tags": Tag.objects.all(), "form": form}
    return with_policy(HttpResponse(engines["django"].from_string(PAGE).render(shown, request)), nonce)


def form(request):
    return page(request, form=True)


zipped = gzip_page(page)


def streamed(request):
    nonce = secrets.token_urlsafe(16)
    return with_policy(StreamingHttpResponse(f'<script nonce="{nonce}">{n}</script>' for n in range(3)), nonce)


def short(request):
    """The text of its nonce stands elsewhere in the page too."""
    return with_policy(HttpResponse('<script nonce="abc">abc()</script>'), "abc")


def by_type(request):
    """It does not say that it was chosen."""
    return HttpResponse("a page" if request.accepts("text/html") else '"data"')
