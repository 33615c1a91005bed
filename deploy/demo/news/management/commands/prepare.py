"""Makes all the site needs to run: database, articles, demo user, German catalogue, static files. Safe to repeat."""

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management import BaseCommand, call_command
from django.db import transaction

from news.models import Article, Author, Tag
from news.seed.compose import AUTHORS, drafts

ARTICLES = 200


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args, **options):
        settings.STATE_DIR.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        with transaction.atomic():
            if not Article.objects.exists():
                seed_articles()
            if not User.objects.filter(username="demo").exists():
                create_demo_user()
        compile_catalogues()
        call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write(f"{Article.objects.count()} articles in {settings.DATABASES['default']['NAME']}")


def seed_articles():
    authors = {name: Author.objects.create(name=name, beat=beat) for name, beat in AUTHORS.items()}
    for draft in drafts(ARTICLES):
        article = Article.objects.create(
            slug=draft.slug,
            section=draft.section,
            headline=draft.headline,
            standfirst=draft.standfirst,
            body=draft.body,
            author=authors[draft.author],
            published=draft.published,
            reads=draft.reads,
        )
        article.tags.set(Tag.objects.get_or_create(name=name)[0] for name in draft.tags)


def create_demo_user():
    """demo, password demo: an editor, who may change the paper and nothing else."""
    user = User.objects.create_user("demo", password="demo", first_name="Demo", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="news"))


def compile_catalogues():
    """Each news/locale/XX/LC_MESSAGES/django.po to the .mo file Django reads, without the gettext tools."""
    source, target = Path(apps.get_app_config("news").path, "locale"), settings.LOCALE_PATHS[0]
    for catalogue in source.glob("*/LC_MESSAGES/django.po"):
        with catalogue.open("rb") as po:
            messages = read_po(po)
        compiled = target / catalogue.relative_to(source).with_suffix(".mo")
        compiled.parent.mkdir(parents=True, exist_ok=True)
        with compiled.open("wb") as mo:
            write_mo(mo, messages)
