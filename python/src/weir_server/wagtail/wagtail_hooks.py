"""Where editors find what Weir does with a page: the menu of a page in the editor and explorer, and the user bar."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, path, reverse
from wagtail import hooks
from wagtail.admin.userbar import BaseItem
from wagtail.admin.widgets import Button

from weir_server.wagtail.views import cache_of

NAME = "weir_page_cache"


@hooks.register("register_admin_urls")
def urls() -> list[URLPattern]:
    return [path("weir/pages/<int:pk>/", cache_of, name=NAME)]


@hooks.register("register_page_header_buttons")
@hooks.register("register_page_listing_more_buttons")
def buttons(page: Any, user: Any, *_: Any, **__: Any) -> Iterator[Button]:
    if page.live and not page.is_root() and page.permissions_for_user(user).can_edit():
        yield Button("Cache", reverse(NAME, args=[page.pk]), icon_name="time", priority=66)


class CacheItem(BaseItem):
    template_name = "weir_wagtail/userbar_item.html"

    def __init__(self, page: Any) -> None:
        self.url = reverse(NAME, args=[page.pk])


@hooks.register("construct_wagtail_userbar")
def add_to_userbar(request: Any, items: list[Any], page: Any) -> None:
    preview = getattr(request, "is_preview", False)
    if page is not None and page.pk and not preview and page.permissions_for_user(request.user).can_edit():
        items.append(CacheItem(page))
