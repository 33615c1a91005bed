"""A Django site in one file, for WSGI and ASGI servers: /who tells what Django sees of a request."""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests only", USE_TZ=True)
django.setup()


def who(request):
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", request.META.get("REMOTE_ADDR"))
    seen = {"host": request.get_host(), "scheme": request.scheme, "client": forwarded, "form": request.POST.get("a")}
    return JsonResponse(seen)


urlpatterns = [path("who", who)]
application = get_wsgi_application()
asgi = get_asgi_application()
