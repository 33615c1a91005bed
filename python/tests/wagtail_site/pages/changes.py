"""What editors do, each as one function: `make` does the one that it is told."""

import datetime
import io
from typing import Any

from django.contrib.auth.models import User
from django.core.files.images import ImageFile
from django.core.management import call_command
from django.utils import timezone
from PIL import Image as Picture
from wagtail.contrib.frontend_cache.utils import purge_url_from_cache
from wagtail.contrib.redirects.models import Redirect
from wagtail.images.models import Image
from wagtail.models import Collection, Locale, Page, PageViewRestriction, Site

from pages.models import Author, EntryPage, Footer, HomePage, SectionPage

SECTIONS, ENTRIES = 3, 4


def image(title: str) -> ImageFile:
    data = io.BytesIO()
    Picture.new("RGB", (40, 30), "blue").save(data, "PNG")
    return ImageFile(io.BytesIO(data.getvalue()), name=f"{title}.png")


def fill() -> None:
    """Sections `s0` …, each with entries `e0` …; `e1` shows an image, `e2` a link to the first entry of all."""
    Collection.add_root(name="Root")
    Locale.objects.create(language_code="en")
    root = Page.add_root(title="Root", slug="root")
    home = root.add_child(instance=HomePage(title="Home", slug="home"))
    Site.objects.create(hostname="localhost", port=80, root_page=home, is_default_site=True, site_name="Test")
    User.objects.create_superuser("editor", "editor@example.com", "secret")
    authors = [Author.objects.create(name=f"Author {number}") for number in range(3)]
    picture = Image.objects.create(title="Blue", file=image("blue"))
    target = None
    for s in range(SECTIONS):
        section = home.add_child(instance=SectionPage(title=f"Section {s}", slug=f"s{s}", show_in_menus=True))
        for e in range(ENTRIES):
            entry = EntryPage(title=f"Entry {s}.{e}", slug=f"e{e}", author=authors[e % 3])
            if e == 1:
                entry.picture = picture
                entry.body = [("image", picture)]
            if e == 2:
                entry.text = f'<p><a linktype="page" id="{target.pk}">there</a></p>'
                entry.body = [("page", target)]
            section.add_child(instance=entry)
            target = target or entry


class Missing(Exception):
    """A page that some other change has moved or deleted."""


def section(number: int) -> SectionPage:
    return SectionPage.objects.get(slug=f"s{number}")


def entry(s: int, e: int) -> EntryPage:
    page = EntryPage.objects.child_of(section(s)).filter(slug=f"e{e}", alias_of=None).first()
    if page is None:
        raise Missing(f"s{s}/e{e}")
    return page


def draft(s: int, e: int, title: str) -> None:
    page = entry(s, e)
    page.title = title
    page.save_revision()


def publish(s: int, e: int, title: str) -> None:
    page = entry(s, e)
    page.title = title
    page.save_revision().publish()


def publish_section(s: int, title: str) -> None:
    page = section(s)
    page.title = title
    page.save_revision().publish()


def unpublish(s: int, e: int) -> None:
    entry(s, e).unpublish()


def add(s: int, slug: str, live: bool = True) -> None:
    parent = section(s)
    if not parent.get_children().filter(slug=slug).exists():
        parent.add_child(instance=EntryPage(title=f"New {slug}", slug=slug, live=live))


def delete(s: int, slug: str) -> None:
    page = section(s).get_children().filter(slug=slug).first()
    if page:
        page.delete()


def rename(s: int, e: int, slug: str) -> None:
    page = entry(s, e)
    page.slug = slug
    page.save_revision().publish()


def move(s: int, slug: str, to: int) -> None:
    page = section(s).get_children().filter(slug=slug).first()
    if page and not section(to).get_children().filter(slug=slug).exists():
        page.move(section(to), pos="last-child")


def move_section(s: int, place: str) -> None:
    section(s).move(HomePage.objects.get(), pos=place)


def alias(s: int, e: int, to: int, slug: str) -> None:
    if not section(to).get_children().filter(slug=slug).exists():
        entry(s, e).create_alias(parent=section(to), update_slug=slug)


def schedule(s: int, e: int, title: str) -> None:
    """Its time has come, but the command that publishes it, as cron runs it, has not run yet."""
    # With a live revision, Wagtail keeps the page as it is until then.
    entry(s, e).save_revision().publish()
    page = entry(s, e)
    page.title = title
    page.go_live_at = timezone.now() + datetime.timedelta(hours=1)
    revision = page.save_revision(approved_go_live_at=page.go_live_at)
    revision.publish()
    # The hour passes.
    revision.refresh_from_db()
    revision.approved_go_live_at = timezone.now() - datetime.timedelta(seconds=1)
    revision.content["go_live_at"] = revision.approved_go_live_at.isoformat()
    revision.save()


def scheduled() -> None:
    call_command("publish_scheduled", verbosity=0)


def restrict(s: int, e: int, restriction: str) -> None:
    given = {"restriction_type": restriction, "password": "open"}
    PageViewRestriction.objects.get_or_create(page=entry(s, e).page_ptr, defaults=given)


def restrict_section(s: int, restriction: str) -> None:
    given = {"restriction_type": restriction, "password": "open"}
    PageViewRestriction.objects.get_or_create(page=section(s).page_ptr, defaults=given)


def lock(s: int, e: int) -> None:
    page = entry(s, e)
    page.locked = not page.locked
    page.save(update_fields=["locked"])


def free(s: int) -> None:
    for one in PageViewRestriction.objects.filter(page__path__startswith=section(s).path):
        one.delete()


def author(number: int, name: str) -> None:
    one = Author.objects.order_by("pk")[number]
    one.name = name
    one.save()


def picture(title: str) -> None:
    """Another title is another text beside the image; another file is another address."""
    one = Image.objects.get()
    one.title = title
    one.file = image(title)
    one.save()


def footer(text: str) -> None:
    one = Footer.for_site(Site.objects.get())
    one.text = text
    one.save()


def redirect(path: str, to: str) -> None:
    Redirect.objects.update_or_create(old_path=Redirect.normalise_path(path), defaults={"redirect_link": to})


def host(name: str) -> None:
    one = Site.objects.get()
    one.site_name = name
    one.save()


def front(url: str) -> None:
    """As a site does that uses Wagtail's own module for caches in front."""
    purge_url_from_cache(url)


def make(order: dict[str, Any]) -> None:
    given = dict(order)
    globals()[given.pop("kind")](**given)
