"""The Django application `weir_server.wagtail`: which columns of Wagtail's models pages seldom show."""

from collections.abc import Callable
from typing import Any

from django.apps import AppConfig, apps

# A draft that is saved, a lock, and a new child change these, and no page that visitors see.
QUIET = (
    "numchild",
    "draft_title",
    "latest_revision",
    "latest_revision_created_at",
    "has_unpublished_changes",
    "locked",
    "locked_at",
    "locked_by",
)


class WeirWagtailConfig(AppConfig):
    name = "weir_server.wagtail"
    label = "weir_wagtail"
    verbose_name = "Weir for Wagtail"
    default = True

    def ready(self) -> None:
        from treebeard.mp_tree import MP_Node
        from wagtail.models import DraftStateMixin, LockableMixin, RevisionMixin, Site

        from weir_server.django import quiet

        for model in apps.get_models():
            if issubclass(model, (MP_Node, RevisionMixin, DraftStateMixin, LockableMixin)):
                quiet.register(model, *QUIET)
        quiet.watch_leaves(MP_Node)
        watch_addresses(Site)


def watch_addresses(site: Any) -> None:
    """Wagtail keeps the addresses of its sites in Django's cache, where no query shows who reads them."""
    from weir_server.django import capture

    usual: Callable[[], Any] = site.get_site_root_paths
    if hasattr(usual, "weir_usual"):
        return

    def get_site_root_paths() -> Any:
        for tag in ("wagtailcore.site", "wagtailcore.locale"):
            capture.note(tag)
        return usual()

    get_site_root_paths.weir_usual = usual  # type: ignore[attr-defined]
    site.get_site_root_paths = staticmethod(get_site_root_paths)
