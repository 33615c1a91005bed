"""A dozen models: relations, many to many, generic relations, inheritance, soft deletes, translations."""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=50)
    slug = models.SlugField(unique=True)


class Profile(models.Model):
    author = models.OneToOneField(Author, models.CASCADE)
    bio = models.TextField()


class Category(models.Model):
    name = models.CharField(max_length=50)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")


class Tag(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        ordering = ["name"]


class Note(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    about = GenericForeignKey()
    text = models.TextField()


class Kept(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(deleted=False)


class Article(models.Model):
    title = models.CharField(max_length=50)
    slug = models.SlugField(unique=True)
    author = models.ForeignKey(Author, models.CASCADE, related_name="articles")
    category = models.ForeignKey(Category, models.SET_NULL, null=True, related_name="articles")
    tags = models.ManyToManyField(Tag, related_name="articles")
    notes = GenericRelation(Note)
    published = models.BooleanField(default=True)
    deleted = models.BooleanField(default=False)
    views = models.IntegerField(default=0)

    objects = models.Manager()
    kept = Kept()


class Translation(models.Model):
    article = models.ForeignKey(Article, models.CASCADE, related_name="translations")
    language = models.CharField(max_length=5)
    title = models.CharField(max_length=50)

    class Meta:
        unique_together = [("article", "language")]


class Comment(models.Model):
    article = models.ForeignKey(Article, models.CASCADE, related_name="comments")
    author = models.ForeignKey(Author, models.SET_NULL, null=True)
    text = models.TextField()
    approved = models.BooleanField(default=True)


class Place(models.Model):
    name = models.CharField(max_length=50)
    notes = GenericRelation(Note)


class Restaurant(Place):
    kitchen = models.CharField(max_length=50)
    owner = models.ForeignKey(Author, models.SET_NULL, null=True, related_name="restaurants")


class Circle(models.Model):
    name = models.CharField(max_length=50)
    members = models.ManyToManyField(Author, through="Membership", related_name="circles")


class Membership(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    circle = models.ForeignKey(Circle, models.CASCADE)
    role = models.CharField(max_length=20)


class Event(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=50)
    place = models.ForeignKey(Place, models.CASCADE, related_name="events")


class Board(models.Model):
    """What one editor alone writes: whoever has written there knows what must be seen."""

    text = models.CharField(max_length=50)


class ShownArticle(models.Model):
    """A view of the database, of which WEIR["TABLES"] says what it reads."""

    title = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "shop_article_view"


class ShownTag(models.Model):
    """A view of which nobody says what it reads."""

    name = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "shop_tag_view"


class Legacy(models.Model):
    """A table that another program has made."""

    name = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "shop_legacy"
