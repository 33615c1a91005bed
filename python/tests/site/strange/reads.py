"""Ways to read that are rarer than those of the shop. Each gives what a page would show."""

import datetime
import enum
import inspect

from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db import connection, models, transaction
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Lower, RowNumber

from strange.models import Badge, Booking, Bundle, Day, DayNote, DearItem, Held, Item, Label, Vendor
from strange.rows import REFERENCE


class Code(str, enum.Enum):  # noqa: UP042 - what sites have
    ANN = "ann"
    NEW = "new"


class Slug(models.TextChoices):
    ONE = "i1"


class Number(enum.IntEnum):
    TWO = 2


def shown(row, *names):
    return row and [getattr(row, name) for name in names]


def raw_by_name():
    rows = Item.objects.raw('SELECT * FROM "Strange item" WHERE "Odd Column" = %s', ["i1"])
    return [[one.name, one.vendor.name] for one in rows]


def raw_with_names():
    rows = Item.objects.raw(
        'SELECT i.*, o.name AS sold_by FROM "Strange item" i JOIN "order" o ON o.code = i.vendor_id WHERE i.id=%(id)s',
        {"id": 1},
    )
    return [[one.name, one.sold_by] for one in rows]


def exists_and_subquery():
    labels = Label.objects.filter(about_pk=models.OuterRef("slug"))
    last = Held.objects.filter(item=models.OuterRef("pk")).order_by("-count").values("count")[:1]
    rows = Item.objects.annotate(labelled=models.Exists(labels), most=models.Subquery(last)).order_by("pk")
    return list(rows.values_list("name", "labelled", "most"))


def exists_of_one_row():
    rows = Item.objects.filter(pk=1).annotate(has=models.Exists(Held.objects.filter(item_id=1, count__gt=0)))
    return list(rows.values_list("name", "has"))


def by_condition_within():
    return list(
        Vendor.objects.filter(models.Exists(Item.objects.filter(vendor=models.OuterRef("pk")))).values_list(
            "name", flat=True
        )
    )


def locked():
    with transaction.atomic():
        return [
            one.name
            for one in Item.objects.select_for_update().select_related("vendor").filter(pk__in=[1, 2]).order_by("pk")
        ]


def iterated():
    return [[one.name, one.vendor.name] for one in Item.objects.select_related("vendor").order_by("pk").iterator(2)]


def half_iterated():
    rows = iter(Item.objects.filter(pk__lte=3).select_related("vendor").order_by("pk").iterator(1))
    return [next(rows).vendor.name, next(rows).vendor.name]


def in_bulk():
    return sorted((slug, one.name) for slug, one in Item.objects.in_bulk(["i1", "i7"], field_name="slug").items())


def in_bulk_by_key():
    return sorted((code, one.name) for code, one in Vendor.objects.in_bulk(["ann", "dan"]).items())


def contains():
    first = Item(pk=1)
    return [Item.objects.filter(price=10).contains(first), Item.objects.get(pk=2).friends.contains(first)]


def proxies():
    return [one.name for one in DearItem.objects.filter(price__gt=20)]


def proxy_by_key():
    return shown(DearItem.objects.filter(pk=2).first(), "name", "price")


def managers():
    return [[one.name, one.vendor.name] for one in Item.cheap.order_by("pk")]


def manager_by_key():
    return [[one.name, one.vendor.name] for one in Item.cheap.filter(pk=1)]


def loose_key():
    """A row whose other row may be missing."""
    one = Item.objects.filter(pk=5).select_related("vendor").first()
    return one and [one.name, one.vendor.name]


def loose_key_that_may_be_null():
    one = Item.objects.filter(pk=4).select_related("spare").first()
    return one and [one.name, one.spare and one.spare.name]


def loose_list():
    return list(Item.objects.order_by("pk").values_list("name", "vendor__name", "spare__name"))


def children():
    return [[one.name, one.note, one.vendor.name] for one in Bundle.objects.select_related("vendor").order_by("pk")]


def child_of_parent():
    one = Item.objects.filter(pk=9).select_related("bundle").first()
    return one and [one.name, one.bundle.note if hasattr(one, "bundle") else None]


def guarantees():
    rows = Item.objects.order_by("pk").select_related("guarantee")
    return [[one.name, hasattr(one, "guarantee") and one.guarantee.text] for one in rows]


def bundles_among_items():
    return [[one.name, hasattr(one, "bundle")] for one in Item.objects.order_by("pk").select_related("bundle")]


def badges():
    rows = Badge.objects.select_related("guarantee__item__vendor").order_by("pk")
    return [[one.pk, one.guarantee.text, one.guarantee.item.vendor.name] for one in rows]


def through():
    return [
        [held.item.name, held.count] for held in Held.objects.filter(bundle=9).select_related("item").order_by("pk")
    ]


def m2m_of_child():
    return sorted(Bundle.objects.get(pk=9).holds.values_list("name", flat=True))


def symmetrical():
    return sorted(one.name for one in Item.objects.get(pk=2).friends.all())


def generic_relation():
    return sorted(Item.objects.get(pk=1).labels.values_list("text", flat=True))


def generic_reverse():
    return sorted(Item.objects.filter(labels__text__startswith="l").values_list("name", flat=True))


def generic_prefetched():
    rows = Item.objects.order_by("pk").prefetch_related("labels")
    return [[one.name, [label.text for label in one.labels.all()]] for one in rows]


def generic_owner():
    rows = Label.objects.filter(about_pk__in=["1", "7"]).prefetch_related(
        GenericPrefetch("about", [Item.objects.select_related("vendor"), Vendor.objects.all()])
    )
    return [[label.text, label.about and label.about.name] for label in rows.order_by("pk")]


def content_types():
    return sorted(ContentType.objects.filter(app_label="strange").values_list("model", flat=True))


def with_prefetch_later():
    rows = list(Vendor.objects.filter(pk="ann"))
    models.prefetch_related_objects(
        rows, models.Prefetch("items", queryset=Item.objects.filter(price__gt=5), to_attr="dear")
    )
    return [[one.name, sorted(item.name for item in one.dear)] for one in rows]


def nested_prefetch():
    inner = models.Prefetch("contents", Held.objects.select_related("item__vendor").order_by("pk"))
    return [
        [held.item.name, held.item.vendor.name, held.count]
        for bundle in Bundle.objects.prefetch_related(inner)
        for held in bundle.contents.all()
    ]


def raw_sql():
    rows = Item.objects.annotate(
        n=RawSQL('SELECT COUNT(*) FROM strange_held h WHERE h.item_id = "Strange item".id', [])
    )
    return list(rows.order_by("pk").values_list("name", "n"))


def extra():
    return list(
        Item.objects.extra(
            select={"sold": '"order".name'}, tables=["order"], where=['"order".code = "Strange item".vendor_id']
        )
        .order_by("pk")
        .values_list("name", "sold")
    )


def windows():
    rows = Item.objects.annotate(place=models.Window(RowNumber(), partition_by="vendor", order_by="price")).order_by(
        "pk"
    )
    return list(rows.values_list("name", "place"))


def cases():
    dear = models.Case(
        models.When(vendor__name="ANN", then=models.Value("ours")),
        models.When(price__gt=30, then=models.Value("dear")),
        default=models.Value("x"),
    )
    return list(Item.objects.filter(pk__in=[1, 5]).annotate(kind=dear).order_by("pk").values_list("name", "kind"))


def either():
    return sorted(Item.objects.filter(models.Q(pk=1) | models.Q(vendor__name="BOB")).values_list("name", flat=True))


def not_this():
    return sorted(Item.objects.exclude(pk=1).filter(slug__startswith="i").values_list("name", flat=True))


def filtered_relation():
    rows = Item.objects.annotate(big=models.FilteredRelation("within", condition=models.Q(within__count__gt=1))).filter(
        pk__in=[1, 2]
    )
    return sorted(rows.values_list("name", "big__count"))


def aggregates():
    found = Item.objects.filter(vendor="ann").aggregate(
        n=models.Count("pk"), m=models.Max("price"), s=models.Sum("within__count")
    )
    return [*found.values(), Item.objects.aggregate(a=models.Avg("price"))["a"]]


def grouped():
    return list(Item.objects.values("vendor__name").annotate(n=models.Count("pk")).order_by("vendor__name"))


def distinct():
    return list(Item.objects.order_by("vendor__name", "vendor__pk", "price").values("price").distinct())


def unions():
    names = Item.objects.filter(pk=1).values_list("name").union(Vendor.objects.filter(pk="dan").values_list("name"))
    return sorted(names)


def nulls_first():
    return list(
        Item.objects.order_by(models.F("spare__name").asc(nulls_first=True), "pk").values_list("name", flat=True)[:2]
    )


def first_and_last():
    return [shown(Item.objects.earliest("price"), "name"), shown(Item.objects.latest("price"), "name")]


def json_key():
    return list(Item.objects.filter(extra__size=2).order_by("pk").values_list("name", "extra__size"))


def coalesced():
    return list(Item.objects.filter(pk=4).values_list(Coalesce("spare__name", "vendor__name"), Lower("name")))


def only_some():
    one = Item.objects.filter(pk=1).only("slug").first()
    return one and [one.slug, one.name, one.price]


def deferred_relation():
    one = Item.objects.filter(pk=5).defer("name").first()
    return one and [one.vendor_id, Vendor.objects.filter(pk=one.vendor_id).count()]


def refreshed():
    one = Item(pk=1)
    one.refresh_from_db(fields=["name"])
    return one.name


def by_enum():
    return [shown(Vendor.objects.filter(pk=Code.ANN).first(), "name"), Vendor.objects.filter(code=Code.NEW).count()]


def by_choice():
    return shown(Item.objects.filter(slug=Slug.ONE).first(), "name")


def by_number():
    return shown(Item.objects.filter(pk=Number.TWO).first(), "name")


def by_text_for_number():
    return shown(Item.objects.filter(pk="2").first(), "name")


def by_case():
    return list(Vendor.objects.filter(pk__iexact="ANN").values_list("name", flat=True))


def by_uuid():
    return shown(Booking.objects.filter(reference=REFERENCE % 2).first(), "text")


def by_uuid_relation():
    one = Booking.objects.filter(pk=2).select_related("before").first()
    return one and [one.text, one.before and one.before.text, sorted(one.after.values_list("text", flat=True))]


def by_computed():
    return list(Booking.objects.filter(shown="B2").values_list("text", flat=True)) if hasattr(Booking, "shown") else []


def by_day():
    return list(Day.objects.filter(pk=datetime.date(2001, 1, 1)).values_list("text", "daynote__text"))


def by_day_relation():
    return [[note.text, note.day.text] for note in DayNote.objects.select_related("day").order_by("pk")]


def with_ctes():
    with connection.cursor() as cursor:
        cursor.execute('WITH dear AS (SELECT * FROM "Strange item" WHERE price > %s) SELECT name FROM dear', [20])
        return sorted(cursor.fetchall())


def by_cursor():
    with connection.cursor() as cursor:
        cursor.execute('SELECT name FROM "order" WHERE code = %s', ("ann",))
        found = cursor.fetchone()
        cursor.execute("SELECT name FROM \"order\" WHERE code = 'dan'")
        return [found, cursor.fetchone()]


def chained():
    inner = Item.objects.filter(price__gt=10).values("vendor")
    return sorted(Vendor.objects.filter(pk__in=inner).values_list("name", flat=True))


NO_PAGES = (shown,)
FUNCTIONS = [one for one in list(globals().values()) if inspect.isfunction(one) and one.__module__ == __name__]
READS = {one.__name__: one for one in FUNCTIONS if one not in NO_PAGES}
