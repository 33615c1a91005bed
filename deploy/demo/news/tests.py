"""The site by itself: what the checks in front of it rely on."""

import io
import os
import re
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

from django.core.management import call_command
from django.db import connection
from django.test import Client, TestCase, TransactionTestCase

from . import digest
from .management.commands.prepare import create_demo_user, seed_articles
from .models import Article, Tally
from .seed.compose import drafts

try:
    from weir_server.django.testing import WeirAssertions
except ImportError:
    WeirAssertions = None

# What Weir says in a request for a page to be shared.
OFFER = {"Weir-Holes": "csrf"}
TEMPLATES = Path(__file__).parent / "templates"


class Pages(TestCase):
    @classmethod
    def setUpTestData(cls):
        seed_articles()
        create_demo_user()

    def test_pages_for_everybody_set_no_cookie_and_hold_no_token(self):
        article = Article.objects.first()
        for path in ["/", "/?page=3", "/section/river/", article.get_absolute_url(), "/search/?q=weir", "/counter/"]:
            with self.subTest(path=path):
                reply = self.client.get(path)
                self.assertEqual(reply.status_code, 200)
                self.assertFalse(reply.cookies)
                self.assertNotContains(reply, "csrfmiddlewaretoken")
                self.assertIn("Cookie", reply["Vary"])

    def test_pages_with_a_form_are_the_visitor_s_own(self):
        for path in ["/letters/", "/login/"]:
            with self.subTest(path=path):
                reply = self.client.get(path)
                self.assertContains(reply, "csrfmiddlewaretoken")
                self.assertIn("csrftoken", reply.cookies)

    def test_the_name_shows_only_to_who_signed_in(self):
        self.assertNotContains(self.client.get("/"), "Signed in as")
        self.client.post("/login/", {"username": "demo", "password": "demo"})
        self.assertContains(self.client.get("/"), "Signed in as <strong>demo</strong>")

    def test_a_letter_needs_its_token(self):
        letter = {"name": "Zoe", "message": "The heron is back."}
        self.assertEqual(Client(enforce_csrf_checks=True).post("/letters/", letter).status_code, 403)
        self.assertContains(self.client.post("/letters/", letter, follow=True), "Thank you, Zoe.")
        self.assertNotContains(self.client.get("/letters/"), "Thank you, Zoe.")

    def test_the_language_comes_from_the_cookie_and_goes_back_to_this_site_only(self):
        cases = {"/letters/?a=b": "/letters/?a=b", "//evil.example/": "/", "https://evil.example/": "/"}
        for back, location in cases.items():
            with self.subTest(back=back):
                self.assertEqual(self.client.get("/language/de/", {"next": back})["Location"], location)
        self.assertContains(self.client.get("/"), "Meistgelesen")
        self.assertEqual(self.client.get("/language/xx/").status_code, 404)

    def test_search_finds_all_words_and_marks_them(self):
        reply = self.client.get("/search/", {"q": "weir <b>"})
        self.assertContains(reply, "0 articles hold “weir &lt;b&gt;”.")
        self.assertContains(self.client.get("/search/", {"q": "weir"}), "<mark>weir</mark>")

    def test_no_page_is_a_404(self):
        for path in ["/nowhere/", "/section/weather/", "/articles/none/"]:
            self.assertEqual(self.client.get(path).status_code, 404, path)


@unittest.skipUnless(WeirAssertions, "the package weir_server is not here")
class Kept(WeirAssertions or object, TestCase):
    """What Weir does with the pages: they are kept for a day, and an edit purges what shows it."""

    @classmethod
    def setUpTestData(cls):
        seed_articles()
        create_demo_user()

    # Where nobody can be told of changes, nothing is kept for a day.
    @mock.patch.dict(os.environ, {"WEIR_ADMIN": "127.0.0.1:9900"})
    def test_every_page_is_shared_for_a_day_one_with_a_form_too(self):
        article = Article.objects.first()
        for path in ["/", "/section/river/", article.get_absolute_url(), "/search/?q=weir", "/counter/", "/letters/"]:
            with self.subTest(path=path):
                self.assertShared(path)
                self.assertEqual(self.client.get(path, headers=OFFER)["Weir-Cache-Control"], "max-age=86400")

    def test_who_is_signed_in_has_pages_of_their_own(self):
        self.client.post("/login/", {"username": "demo", "password": "demo"})
        self.assertPrivate("/")

    def test_an_edit_purges_the_pages_that_show_it_and_no_others(self):
        article = Article.objects.first()
        with self.assertPurges("/", article.get_absolute_url(), keeps=["/letters/", "/counter/"]):
            article.headline = "Another headline"
            article.save()
        with self.assertPurges("/letters/", keeps=["/", article.get_absolute_url(), "/counter/"]):
            self.client.post("/letters/", {"name": "Zoe", "message": "The heron is back."})
        with self.assertPurges(keeps=["/", "/letters/", "/counter/"]):
            self.client.get("/counter/?again")

    def test_the_command_that_edits(self):
        with self.assertPurges("/", keeps=["/letters/"]):
            call_command("edit", "By the command", stdout=io.StringIO())
        self.assertContains(self.client.get("/"), "By the command")


class Counting(TransactionTestCase):
    def test_no_count_is_lost_between_threads(self):
        def count(_):
            try:
                return Tally.next("test")
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as threads:
            self.assertEqual(sorted(threads.map(count, range(40))), list(range(1, 41)))


class Text(TestCase):
    def test_the_seed_is_the_same_each_time_and_no_slug_comes_twice(self):
        first, second = list(drafts(200)), list(drafts(200))
        self.assertEqual(first, second)
        self.assertEqual(len({draft.slug for draft in first}), 200)
        self.assertFalse([draft.slug for draft in first if re.search("[{}]", draft.headline + draft.body)])

    def test_every_word_of_the_templates_is_in_german(self):
        known = (Path(__file__).parent / "locale/de/LC_MESSAGES/django.po").read_text(encoding="utf-8")
        for template in TEMPLATES.rglob("*.html"):
            for text in re.findall(r"{% translate '(.*?)'", template.read_text(encoding="utf-8")):
                self.assertIn(f'msgid "{text}"', known, template)

    def test_alike_texts_are_found(self):
        corpus = digest.Corpus({1: "salmon ladder", 2: "barley train", 3: "salmon weir ladder", 4: "harvest bread"})
        self.assertEqual(corpus.alike(1, limit=2), [3])

    def test_a_snippet_marks_what_was_searched_for(self):
        passages = digest.snippet(["heron"], "x " * 200 + "the Heron stood" + " y" * 200)
        self.assertEqual([p.text for p in passages if p.found], ["Heron"])
        self.assertEqual(passages[0].text, "… ")
        self.assertLess(len("".join(p.text for p in passages)), 320)
