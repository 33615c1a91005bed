"""Pages with a form, for a newsletter, in every way that a token gets into one."""

import base64

from django.http import HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template import engines
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import etag

from shop.models import Tag
from weir_server.django import shared

FORM = """<title>{{ count }} tags</title>
<body hx-headers='{"X-CSRFToken": "{{ csrf_token }}"}'>
<form method="post">{% csrf_token %}<input name="address"></form>"""


def form(request):
    count = Tag.objects.count()
    return engines["django"].from_string(FORM).render({"count": count}, request)


def letter(request):
    if request.method == "POST":
        return HttpResponse(f"letters go to {request.POST['address']}")
    return HttpResponse(form(request))


for_all = shared(ttl="1h")(letter)
zipped = gzip_page(lambda request: HttpResponse(form(request) + "<p>so that it is long</p>" * 50))
unchanged = etag(lambda request: "v1")(letter)


def streamed(request):
    return StreamingHttpResponse([form(request)])


def hidden(request):
    """The token stands where nobody finds it."""
    return HttpResponse(base64.b64encode(get_token(request).encode()))


def told(request):
    """The token stands in a field of the reply too, for scripts."""
    return HttpResponse(form(request), headers={"X-CSRFToken": get_token(request)})


def visited(request):
    response = HttpResponse(form(request))
    response.set_cookie("visited", "1")
    return response
