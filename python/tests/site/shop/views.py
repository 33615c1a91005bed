"""Pages that read the models in every way that Django knows. Each is JSON of what it shows."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, OperationalError, connection, connections
from django.db.models import Count, Exists, F, Max, OuterRef, Prefetch, Q
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_exempt

from shop import changes
from shop.models import Article, Author, Board, Category, Circle, Comment, Event, Place, Restaurant, Tag, Translation
from weir_server.django import private, shared


def home(request):
    articles = Article.kept.filter(published=True).select_related("author", "category").prefetch_related("tags")
    return page(
        [
            [a.title, a.author.name, a.category.name if a.category else None, [t.name for t in a.tags.all()]]
            for a in articles.order_by("title", "pk")[:10]
        ]
    )


def article(request, slug):
    a = get_object_or_404(Article.kept.select_related("author__profile"), slug=slug)
    profile = getattr(a.author, "profile", None)
    return page(
        a.title,
        a.author.name,
        profile and profile.bio,
        [[c.text, c.author.name if c.author else None] for c in shown_comments(a)],
        [t.name for t in a.tags.all()],
        [[t.language, t.title] for t in a.translations.order_by("language")],
        [n.text for n in a.notes.order_by("pk")],
    )


def shown_comments(article):
    return article.comments.filter(approved=True).select_related("author").order_by("pk")


def by_key(request, pk):
    a = Article.objects.filter(pk=pk).first()
    return page(a and [a.title, a.comments.count(), a.tags.count(), a.comments.exists()])


def slices(request, pk):
    """The second and third comment: a row that is not shown moves those that are."""
    return page([c.text for c in Comment.objects.filter(article_id=pk).order_by("text", "pk")[1:3]])


def author(request, slug):
    a = get_object_or_404(Author, slug=slug)
    return page(
        a.name,
        a.articles.filter(published=True).count(),
        a.articles.aggregate(most=Max("views"))["most"],
        sorted(a.circles.values_list("name", flat=True)),
        [r.name for r in a.restaurants.order_by("pk")],
    )


def authors(request):
    """By values, with joins, counts and a subquery."""
    busy = Exists(Comment.objects.filter(author=OuterRef("pk"), approved=True))
    rows = Author.objects.annotate(count=Count("articles", filter=Q(articles__published=True)), busy=busy)
    return page(list(rows.order_by("pk").values_list("name", "count", "busy", "profile__bio")))


def category(request, pk):
    c = get_object_or_404(Category.objects.select_related("parent"), pk=pk)
    return page(
        c.name,
        c.parent and c.parent.name,
        [child.name for child in c.children.order_by("name")],
        list(c.articles.order_by("pk").values_list("title", "author__name")),
    )


def tag(request, pk):
    t = get_object_or_404(Tag.objects.prefetch_related("articles__author"), pk=pk)
    return page(t.name, sorted([a.title, a.author.name] for a in t.articles.all()))


def places(request):
    return page([[p.name, p.events.count()] for p in Place.objects.order_by("pk")])


def restaurant(request, pk):
    r = get_object_or_404(Restaurant.objects.select_related("owner"), pk=pk)
    return page(r.name, r.kitchen, r.owner and r.owner.name, [n.text for n in r.notes.all()])


def restaurants(request):
    return page([[r.name, r.kitchen] for r in Restaurant.objects.filter(owner__name__startswith="A").order_by("pk")])


def circle(request, pk):
    c = get_object_or_404(Circle, pk=pk)
    members = c.membership_set.select_related("author__profile").order_by("author__name", "pk")
    bios = [getattr(m.author, "profile", None) for m in members]
    return page(c.name, [[m.author.name, m.role] for m in members], [p and p.bio for p in bios])


def event(request, pk):
    e = Event.objects.select_related("place__restaurant").filter(pk=pk).first()
    if e is None:
        raise Http404("no such event")
    r = getattr(e.place, "restaurant", None)
    return page(e.title, e.place.name, r and r.kitchen)


def language(request, language):
    """Articles in one language: two conditions of which only one has tags."""
    rows = Translation.objects.filter(language=language, article__published=True).order_by("title", "pk")
    return page([[t.title, t.article.slug] for t in rows.select_related("article")])


def raw(request, pk):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.title, (SELECT COUNT(*) FROM shop_comment c WHERE c.article_id = a.id) FROM shop_article a"
            " LEFT JOIN shop_author u ON u.id = a.author_id WHERE a.id = %s AND u.name <> 'nobody'",
            [pk],
        )
        rows = cursor.fetchall()
        cursor.execute("SELECT title FROM shop_article_view ORDER BY title LIMIT 3")
        rows += cursor.fetchall()
    return page(rows, [t.name for t in Tag.objects.raw("SELECT * FROM shop_tag ORDER BY name LIMIT 2")])


def unions(request):
    names = Author.objects.values_list("name").union(
        Tag.objects.order_by().values_list("name"), Place.objects.values_list("name")
    )
    popular = Article.objects.filter(pk__in=Comment.objects.filter(approved=True).values("article"))
    return page(sorted(names), sorted(popular.values_list("title", flat=True)))


def threads(request, pk):
    found = {}

    def look():
        found["name"] = Category.objects.filter(pk=pk).values_list("name", flat=True).first()
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        found["tag"] = pool.submit(
            lambda: [Tag.objects.filter(pk=pk).values("name").first(), connections.close_all()][0]
        )
        found["tag"] = found["tag"].result()
    return page(found)


async def later(request, pk):
    names = [c.name async for c in Circle.objects.filter(pk=pk)]
    return page(names, await Membership_count(pk))


async def Membership_count(pk):
    from shop.models import Membership

    return await Membership.objects.filter(circle_id=pk).acount()


def second(request):
    return page(list(Tag.objects.using("second").values_list("name", flat=True)))


def generic(request, pk):
    """Notes by their content type, with what they are about."""
    from shop.models import Note

    kind = ContentType.objects.get_for_model(Place)
    notes = Note.objects.filter(content_type=kind, object_id=pk).prefetch_related("about")
    return page([[n.text, getattr(n.about, "name", None)] for n in notes.order_by("pk")])


def prefetched(request):
    kept = Prefetch("articles", Article.kept.filter(published=True).order_by("pk"), to_attr="shown")
    rows = Category.objects.filter(parent=None).prefetch_related(kept, "children__articles").order_by("pk")
    return page(
        [
            [c.name, [a.title for a in c.shown], [[k.name, len(k.articles.all())] for k in c.children.all()]]
            for c in rows
        ]
    )


def board(request, pk):
    return page(Board.objects.get(pk=pk).text)


def boards(request):
    return page(list(Board.objects.order_by("pk").values_list("text", flat=True)))


def touch(request, pk):
    """A page that writes while it is made."""
    Article.objects.filter(pk=pk).update(views=F("views") + 1)
    return page("touched")


@shared(ttl="1h", tags=["weather"])
def weather(request):
    return page("sunny")


@cache_page(900)
def kept(request):
    return page(list(Tag.objects.values_list("name", flat=True)))


@shared(ttl="1h")
def streamed(request):
    return StreamingHttpResponse(f"{name}\n" for name in Tag.objects.values_list("name", flat=True))


@private
def mine(request):
    return page("mine")


@csrf_exempt
def change(request):
    """Does what the body says, as the site's editors would."""
    try:
        done = changes.make(json.loads(request.body))
    except (IntegrityError, OperationalError) as error:
        # Another editor was faster: a row is gone, a slug is taken, two have waited for each other.
        return JsonResponse({"clash": str(error)}, status=409)
    response = JsonResponse({"done": done})
    if request.headers.get("X-Redirect"):
        response = HttpResponse(status=302, headers={"Location": request.headers["X-Redirect"]})
    return response


def page(*shown):
    return HttpResponse(json.dumps(shown, default=str), content_type="application/json")
