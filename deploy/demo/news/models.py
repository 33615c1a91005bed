"""What the paper keeps: articles with their authors and tags, readers' letters, and tallies."""

from django.db import models, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Section(models.TextChoices):
    TOWN = "town", _("Town")
    RIVER = "river", _("River")
    WORK = "work", _("Work")
    CULTURE = "culture", _("Culture")
    SPORT = "sport", _("Sport")
    TABLE = "table", _("Table")


class Author(models.Model):
    name = models.CharField(max_length=80, unique=True)
    beat = models.CharField(max_length=120, help_text="What this author writes about, in a few words.")

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class Tag(models.Model):
    name = models.SlugField(max_length=40, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class Article(models.Model):
    slug = models.SlugField(max_length=120, unique=True)
    section = models.CharField(max_length=12, choices=Section, db_index=True)
    headline = models.CharField(max_length=160)
    standfirst = models.CharField(max_length=320, help_text="One or two sentences under the headline.")
    body = models.TextField(help_text="Paragraphs, separated by an empty line.")
    author = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="articles")
    tags = models.ManyToManyField(Tag, related_name="articles", blank=True)
    published = models.DateTimeField(db_index=True)
    reads = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-published", "-pk"]

    def __str__(self):
        return self.headline

    def get_absolute_url(self):
        return reverse("article", args=[self.slug])


class Letter(models.Model):
    name = models.CharField(_("Your name"), max_length=60)
    message = models.TextField(_("Your letter"), max_length=2000)
    received = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-received", "-pk"]

    def __str__(self):
        return f"{self.name}, {self.received:%d %b %Y}"


class Tally(models.Model):
    """A number that counts up, right over threads and processes."""

    name = models.SlugField(primary_key=True)
    value = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self):
        return f"{self.name}: {self.value}"

    @classmethod
    def next(cls, name):
        """Counts one up and returns the new value."""
        with transaction.atomic():  # takes SQLite's write lock at once (transaction_mode), so no count is lost
            tally, _created = cls.objects.get_or_create(name=name)
            tally.value += 1
            tally.save(update_fields=["value"])
        return tally.value
