"""The addresses of the Wagtail test site."""

from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls

from pages import views

urlpatterns = [
    path("admin/", include(wagtailadmin_urls)),
    path("change/", views.change),
    path("", include(wagtail_urls)),
]
