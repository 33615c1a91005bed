"""Models of the rarer kinds: odd names and keys, rows without constraints, proxies, columns that are computed."""

import uuid

import django
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Upper


class Vendor(models.Model):
    """Its key is a text."""

    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=50)

    class Meta:
        db_table = "order"


class Cheap(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(price__lt=50).select_related("vendor")


class Labelled(models.Model):
    """Abstract: its relation is each child's own."""

    labels = GenericRelation("strange.Label", content_type_field="kind", object_id_field="about_pk")

    class Meta:
        abstract = True


class Item(Labelled):
    slug = models.SlugField(unique=True, db_column="Odd Column")
    name = models.CharField(max_length=50)
    price = models.IntegerField(default=10)
    # May name rows that are not there (yet).
    vendor = models.ForeignKey(Vendor, models.DO_NOTHING, db_constraint=False, related_name="items")
    spare = models.ForeignKey(Vendor, models.DO_NOTHING, db_constraint=False, null=True, related_name="+")
    friends = models.ManyToManyField("self", symmetrical=True)
    extra = models.JSONField(default=dict)

    objects = models.Manager()
    cheap = Cheap()

    class Meta:
        db_table = "Strange item"


class DearItem(Item):
    class Meta:
        proxy = True
        ordering = ["-price", "pk"]


class Bundle(Item):
    """By inheritance from a model with odd names."""

    note = models.CharField(max_length=50)
    holds = models.ManyToManyField(Item, through="Held", related_name="bundles")


class Held(models.Model):
    bundle = models.ForeignKey(Bundle, models.CASCADE, related_name="contents")
    item = models.ForeignKey(Item, models.CASCADE, related_name="within")
    count = models.IntegerField(default=1)


class Guarantee(models.Model):
    """Its key is that of the other row, which may have none."""

    item = models.OneToOneField(Item, models.CASCADE, primary_key=True)
    text = models.CharField(max_length=50)


class Badge(models.Model):
    """Leads to what leads to something that may be missing."""

    guarantee = models.ForeignKey(Guarantee, models.CASCADE)


class Label(models.Model):
    kind = models.ForeignKey(ContentType, models.CASCADE)
    about_pk = models.CharField(max_length=40)
    about = GenericForeignKey("kind", "about_pk")
    text = models.CharField(max_length=50)


class Booking(models.Model):
    """By a unique field that is no key, and a relation to one's self."""

    reference = models.UUIDField(unique=True, default=uuid.uuid4)
    before = models.ForeignKey("self", models.SET_NULL, null=True, related_name="after", to_field="reference")
    text = models.CharField(max_length=50)
    if django.VERSION >= (5, 0):
        shown = models.GeneratedField(
            expression=Upper("text"), output_field=models.CharField(max_length=50, unique=True), db_persist=True
        )


class Day(models.Model):
    """Its key is a date, which has no tags."""

    date = models.DateField(primary_key=True)
    text = models.CharField(max_length=50)


class DayNote(models.Model):
    day = models.OneToOneField(Day, models.CASCADE, primary_key=True)
    text = models.CharField(max_length=50)
