"""The addresses of the test site."""

from django.urls import path

from shop import letters, views

urlpatterns = [
    path("", views.home),
    path("a/<slug:slug>/", views.article),
    path("key/<int:pk>/", views.by_key),
    path("slices/<int:pk>/", views.slices),
    path("author/<slug:slug>/", views.author),
    path("authors/", views.authors),
    path("category/<int:pk>/", views.category),
    path("tag/<int:pk>/", views.tag),
    path("places/", views.places),
    path("restaurant/<int:pk>/", views.restaurant),
    path("restaurants/", views.restaurants),
    path("circle/<int:pk>/", views.circle),
    path("event/<uuid:pk>/", views.event),
    path("language/<str:language>/", views.language),
    path("raw/<int:pk>/", views.raw),
    path("unions/", views.unions),
    path("threads/<int:pk>/", views.threads),
    path("later/<int:pk>/", views.later),
    path("second/", views.second),
    path("generic/<int:pk>/", views.generic),
    path("prefetched/", views.prefetched),
    path("board/<int:pk>/", views.board),
    path("boards/", views.boards),
    path("touch/<int:pk>/", views.touch),
    path("weather/", views.weather),
    path("mine/", views.mine),
    path("change/", views.change),
    path("letter/", letters.letter),
    path("letter/shared/", letters.for_all),
    path("letter/zipped/", letters.zipped),
    path("letter/streamed/", letters.streamed),
    path("letter/hidden/", letters.hidden),
    path("letter/visited/", letters.visited),
    path("letter/unchanged/", letters.unchanged),
]
