"""Pages as a browser sees them: the toolbar stands in HTML only."""

from debug_toolbar.toolbar import debug_toolbar_urls
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache

from shop.models import Tag
from weir_server.django import shared


def tags(request):
    return HttpResponse(f"<html><body>{[tag.name for tag in Tag.objects.filter(pk__in=[1, 2])]}</body></html>")


def change(request):
    Tag.objects.create(name="new")
    return HttpResponse("<html><body>changed</body></html>")


def form(request):
    return render(request, "shop/frame.html")


urlpatterns = [
    path("tags/", tags),
    path("shared/", shared(ttl="1h")(tags)),
    path("change/", change),
    path("form/", form),
    path("never/", never_cache(tags)),
    *debug_toolbar_urls(),
]
