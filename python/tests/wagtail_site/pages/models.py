"""A small site: a home page, sections with entries, a snippet, a setting."""

from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.blocks import CharBlock, PageChooserBlock
from wagtail.contrib.settings.models import BaseSiteSetting, register_setting
from wagtail.fields import RichTextField, StreamField
from wagtail.images.blocks import ImageChooserBlock
from wagtail.models import Page
from wagtail.snippets.models import register_snippet


@register_snippet
class Author(models.Model):
    name = models.CharField(max_length=50)

    panels = [FieldPanel("name")]


@register_setting
class Footer(BaseSiteSetting):
    text = models.CharField(max_length=100, blank=True)


class HomePage(Page):
    template = "pages/section.html"


class SectionPage(Page):
    template = "pages/section.html"


class EntryPage(Page):
    author = models.ForeignKey(Author, models.SET_NULL, null=True, blank=True)
    text = RichTextField(blank=True)
    picture = models.ForeignKey("wagtailimages.Image", models.SET_NULL, null=True, blank=True, related_name="+")
    body = StreamField(
        [("heading", CharBlock()), ("image", ImageChooserBlock()), ("page", PageChooserBlock())], blank=True
    )

    template = "pages/entry.html"
    content_panels = [*Page.content_panels, FieldPanel("text"), FieldPanel("author")]
