"""Addresses of views that `manage.py check` has something to say about."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.vary import vary_on_cookie, vary_on_headers
from django.views.generic import TemplateView

from weir_server.django import shared


@shared(ttl="1h")
def with_form(request):
    return render(request, "shop/form.html")


@method_decorator(shared(ttl="1h"), name="dispatch")
class WithForm(TemplateView):
    template_name = "shop/search.html"


@shared()
@vary_on_cookie
def by_cookie(request):
    return HttpResponse("")


@login_required
@shared()
def for_members(request):
    return HttpResponse("")


@shared()
@ensure_csrf_cookie
def sets_cookie(request):
    return HttpResponse("")


@shared()
@vary_on_headers("Accept-Language")
def fine(request):
    return HttpResponse("shop/form.html is only named here")


def not_shared(request):
    return render(request, "shop/form.html")


urlpatterns = [
    path("with-form/", with_form),
    path("again/", with_form),
    path("class/", WithForm.as_view()),
    path("inner/", include([path("by-cookie/", by_cookie)])),
    path("for-members/", for_members),
    path("sets-cookie/", sets_cookie),
    path("fine/", fine),
    path("not-shared/", not_shared),
]
