"""The editors' side of the site."""

from django.contrib import admin

from .models import Article, Author, Letter, Tag, Tally

admin.site.site_header = "The Millrace, editors' desk"


@admin.register(Article)
class ArticleAdmin(admin.ModelAdmin):
    list_display = ["headline", "section", "author", "published", "reads"]
    list_filter = ["section", "author"]
    search_fields = ["headline", "body"]
    date_hierarchy = "published"
    filter_horizontal = ["tags"]
    prepopulated_fields = {"slug": ["headline"]}


@admin.register(Letter)
class LetterAdmin(admin.ModelAdmin):
    list_display = ["name", "received"]


admin.site.register([Author, Tag, Tally])
