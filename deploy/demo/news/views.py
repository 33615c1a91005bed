"""The pages. None of them caches anything or says for how long it may be kept: see WEIR in the settings."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import TruncMonth
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from . import digest
from .forms import LetterForm
from .models import Article, Author, Letter, Section, Tag, Tally

ARTICLES_A_PAGE = 18
ARTICLES_RELATED = 4
SEARCH_RESULTS = 30
SEARCH_TERMS = 6
LETTERS_SHOWN = 10
LANGUAGE_COOKIE_AGE = timedelta(days=365)


def front(request):
    """The front page: the whole paper counted, compared and read for its telling words on every call."""
    articles = Article.objects.select_related("author").prefetch_related("tags")
    page = Paginator(articles, ARTICLES_A_PAGE).get_page(request.GET.get("page"))
    corpus = digest.Corpus(dict(Article.objects.values_list("pk", "body")))
    context = {
        "page": page,
        "themes": corpus.telling([article.pk for article in page], limit=24),
        "by_section": [(section, articles.filter(section=section)[:3]) for section in Section],
        "most_read": Article.objects.order_by("-reads")[:5],
        "authors": Author.objects.annotate(written=Count("articles"), read=Sum("articles__reads")).order_by("-read"),
        "months": Article.objects.annotate(month=TruncMonth("published"))
        .values("month")
        .annotate(written=Count("pk"), read=Sum("reads"))
        .order_by("-month"),
        "tags": Tag.objects.annotate(used=Count("articles")).filter(used__gt=0).order_by("name"),
    }
    return render(request, "news/front.html", context)


def section(request, section):
    if section not in Section:
        raise Http404
    articles = Article.objects.filter(section=section).select_related("author").prefetch_related("tags")
    context = {
        "section": Section(section),
        "page": Paginator(articles, ARTICLES_A_PAGE).get_page(request.GET.get("page")),
        "total": articles.aggregate(written=Count("pk"), read=Sum("reads"), newest=Max("published")),
    }
    return render(request, "news/section.html", context)


def article(request, slug):
    article = get_object_or_404(Article.objects.select_related("author").prefetch_related("tags"), slug=slug)
    corpus = digest.Corpus(dict(Article.objects.values_list("pk", "body")))
    alike = corpus.alike(article.pk, limit=ARTICLES_RELATED)
    related = Article.objects.in_bulk(alike)
    context = {
        "article": article,
        "minutes": digest.reading_minutes(article.body),
        "themes": corpus.telling([article.pk], limit=6),
        "related": [related[pk] for pk in alike],
        "by_author": article.author.articles.exclude(pk=article.pk)[:4],
    }
    return render(request, "news/article.html", context)


def search(request):
    """Finds articles that hold every word of `q`, best first."""
    query = request.GET.get("q", "").strip()[:100]
    terms = query.lower().split()[:SEARCH_TERMS]
    results = []
    if terms:
        holds_all = Q()
        for term in terms:
            holds_all &= Q(headline__icontains=term) | Q(body__icontains=term)
        found = Article.objects.filter(holds_all).select_related("author")
        results = sorted(found, key=lambda a: digest.matches(terms, a.headline, a.body), reverse=True)
    context = {
        "query": query,
        "total": len(results),
        "results": [(article, digest.snippet(terms, article.body)) for article in results[:SEARCH_RESULTS]],
    }
    return render(request, "news/search.html", context)


def letters(request):
    """Readers' letters, and the form to send one. The page is shared: Weir puts each visitor's CSRF token into it."""
    form = LetterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        letter = form.save()
        messages.success(request, _("Thank you, %(name)s. Your letter is printed below.") % {"name": letter.name})
        return redirect("letters")
    return render(request, "news/letters.html", {"form": form, "letters": Letter.objects.all()[:LETTERS_SHOWN]})


def counter(request):
    """Counts how often it was made. Behind Weir the number moves when an edit has purged it, or after a day."""
    return render(request, "news/counter.html", {"count": Tally.next("counter")})


def language(request, code):
    """Remembers the language in a cookie and goes back. A GET, so that no page needs a form with a token for it."""
    if code not in dict(settings.LANGUAGES):
        raise Http404
    back = request.GET.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = "/"
    response = redirect(back)
    response.set_cookie(settings.LANGUAGE_COOKIE_NAME, code, max_age=LANGUAGE_COOKIE_AGE, samesite="Lax")
    return response
