"""Every address of the site."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from news import views

urlpatterns = [
    path("", views.front, name="front"),
    path("section/<slug:section>/", views.section, name="section"),
    path("articles/<slug:slug>/", views.article, name="article"),
    path("search/", views.search, name="search"),
    path("letters/", views.letters, name="letters"),
    path("counter/", views.counter, name="counter"),
    path("language/<slug:code>/", views.language, name="language"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
