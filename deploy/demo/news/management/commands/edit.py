"""Gives the newest article another headline, as an editor would: every page that shows it is purged."""

from django.core.management import BaseCommand

from news.models import Article


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("headline")

    def handle(self, *args, headline, **options):
        article = Article.objects.first()
        article.headline = headline
        article.save(update_fields=["headline"])
        self.stdout.write(f"{article.get_absolute_url()} is now headed: {headline}")
