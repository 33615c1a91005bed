"""Ways to write that are rarer than those of the shop."""

import inspect
import json
import tempfile
import threading
from pathlib import Path

from asgiref.sync import async_to_sync
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.models import Exists, F, OuterRef, Subquery, Value
from django.db.models.functions import Concat, Upper

from strange.models import Badge, Booking, Bundle, Day, DayNote, DearItem, Guarantee, Held, Item, Label, Vendor
from strange.reads import Code
from strange.rows import REFERENCE


def execute(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def vendor_that_was_missing():
    Vendor.objects.create(code="dan", name="DAN")


def spare_that_was_missing():
    Vendor.objects.create(code="eve", name="EVE")


def missing_vendors_at_once():
    Vendor.objects.bulk_create([Vendor(code=code, name="many") for code in ("dan", "eve")])


def vendor_by_enum():
    Vendor.objects.create(code=Code.NEW, name="NEW")
    Vendor.objects.filter(pk=Code.ANN).update(name="ANNE")


def vendor_goes():
    Vendor.objects.filter(pk="ann").delete()


def update_or_create():
    Item.objects.update_or_create(slug="i1", defaults={"name": "renamed", "vendor_id": "bob"})
    Item.objects.update_or_create(slug="i7", defaults={"name": "new", "vendor_id": "dan", "price": 1})


def get_or_create():
    Vendor.objects.get_or_create(code="dan", defaults={"name": "DAN"})


def by_expression():
    Item.objects.filter(pk=1).update(price=F("price") + 100, slug=Concat(F("slug"), Value("x")))


def by_subquery():
    name = Vendor.objects.filter(pk=OuterRef("vendor")).values("name")
    Item.objects.filter(vendor="bob").update(name=Subquery(name))


def where_exists():
    Item.objects.filter(Exists(Label.objects.filter(about_pk="1"))).filter(pk__lt=3).update(price=77)


def by_related():
    Item.objects.filter(vendor__name="ANN").update(name="of ann")


def bulk_update():
    rows = list(Item.objects.filter(pk__in=[1, 2, 5]))
    for row in rows:
        row.name, row.vendor_id = Upper("name"), "cyd"
    Item.objects.bulk_update(rows, ["name", "vendor"], batch_size=2)


def upsert():
    Vendor.objects.bulk_create(
        [Vendor(code="ann", name="upserted"), Vendor(code="dan", name="upserted")],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["code"],
    )


def ignore_conflicts():
    Vendor.objects.bulk_create([Vendor(code="ann", name="no"), Vendor(code="dan", name="yes")], ignore_conflicts=True)


def raw_upsert():
    execute("INSERT INTO \"order\" (code, name) VALUES ('dan', 'raw') ON CONFLICT (code) DO UPDATE SET name = 'x'")
    execute(
        "INSERT INTO \"order\" (code, name) VALUES (%s, %s) ON CONFLICT (code) DO UPDATE SET name = 'y'", "ann", "z"
    )


def raw_cte():
    execute('WITH one AS (SELECT 1 AS id) UPDATE "Strange item" SET name = %s WHERE id IN (SELECT id FROM one)', "cte")


def raw_returning():
    with connection.cursor() as cursor:
        cursor.execute('UPDATE "Strange item" SET name = %s WHERE "Odd Column" = %s RETURNING id', ["back", "i1"])
        cursor.fetchall()
        cursor.execute('DELETE FROM strange_held WHERE item_id = 2 RETURNING "count"')
        cursor.fetchall()


def raw_many():
    with connection.cursor() as cursor:
        cursor.executemany('UPDATE "order" SET name = %s WHERE code = %s', [("m1", "ann"), ("m2", "bob")])


def raw_with_alias():
    execute('UPDATE "Strange item" AS i SET name = %s WHERE i.id = 2', "aliased")


def raw_from():
    execute('UPDATE "Strange item" SET name = "order".name FROM "order" WHERE "order".code = vendor_id')


def raw_comment():
    execute("/* by hand */ UPDATE \"order\" SET name = 'commented' -- the first\n WHERE code = 'ann'")


def insert_from_select():
    execute("INSERT INTO \"order\" (code, name) SELECT 'dan', name FROM \"order\" WHERE code = 'ann'")


def savepoints():
    with transaction.atomic(durable=True):
        Vendor.objects.filter(pk="ann").update(name="outer")
        try:
            with transaction.atomic():
                Vendor.objects.filter(pk="bob").update(name="never")
                raise ValueError
        except ValueError:
            pass
        point = transaction.savepoint()
        Vendor.objects.filter(pk="cyd").update(name="kept")
        transaction.savepoint_commit(point)
        point = transaction.savepoint()
        Item.objects.filter(pk=6).delete()
        transaction.savepoint_rollback(point)


def by_hand():
    transaction.set_autocommit(False)
    try:
        Item.objects.filter(pk=1).update(name="by hand")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)


def in_hook():
    with transaction.atomic():
        transaction.on_commit(lambda: Vendor.objects.filter(pk="ann").update(name="hooked"))


def generic_added():
    Label.objects.create(about=Item.objects.get(pk=1), text="added")
    Item.objects.get(pk=2).labels.set([])


def generic_moved():
    Label.objects.filter(about_pk="1").update(about_pk="7")


def owner_created():
    Label.objects.filter(pk=1).update(about_pk="7")
    Item.objects.create(pk=7, slug="i7", name="seven", vendor_id="ann")


def proxy_saved():
    one = DearItem.objects.get(pk=2)
    one.price = 1
    one.save()


def proxy_deleted():
    DearItem.objects.filter(pk=2).delete()


def child_saved():
    one = Bundle.objects.get(pk=9)
    one.name, one.note = "child", "saved"
    one.save()


def child_deleted_alone():
    Bundle.objects.get(pk=9).delete(keep_parents=True)


def child_made_of_parent():
    parent = Item.objects.get(pk=5)
    child = Bundle(item_ptr=parent, note="made")
    child.__dict__.update({name: value for name, value in vars(parent).items() if name != "_state"})
    child.save()


def friends():
    Item.objects.get(pk=2).friends.set([Item.objects.get(pk=4)])


def through_added():
    Bundle.objects.get(pk=9).holds.add(3, through_defaults={"count": 8})


def through_cleared():
    Bundle.objects.get(pk=9).holds.clear()


def reverse_added():
    Item.objects.get(pk=4).bundles.add(Bundle.objects.get(pk=9), through_defaults={"count": 2})


def reverse_set():
    Vendor.objects.get(pk="ann").items.set(Item.objects.filter(pk__in=[5, 6]), bulk=True)


def referenced_goes():
    Booking.objects.filter(reference=REFERENCE % 1).delete()


def reference_changes():
    Booking.objects.filter(pk=3).update(before_id=None)
    Booking.objects.filter(pk=1).update(text="b0")


def computed():
    Booking.objects.filter(pk=3).update(text="b22")
    Booking.objects.filter(pk=2).delete()
    Booking.objects.filter(pk=3).update(text="b2")


def days():
    Day.objects.filter(text="day 1").update(text="changed")
    DayNote.objects.filter(pk="2001-01-02").delete()


def json_value():
    row = Item.objects.get(pk=3)
    row.extra["size"] = 2
    row.save(update_fields=["extra"])


async def save_later():
    one = await Item.objects.aget(pk=1)
    one.name = "later"
    await one.asave()
    await Vendor.objects.acreate(code="dan", name="later")
    await Held.objects.filter(pk=2).adelete()


def asynchronous():
    async_to_sync(save_later)()


def moved_key():
    execute('UPDATE "order" SET code = %s WHERE code = %s', "dan", "ann")


def fixture():
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "some.json"
        kind = "strange.vendor"
        rows = [
            {"model": kind, "pk": "ann", "fields": {"name": "loaded"}},
            {"model": kind, "pk": "dan", "fields": {"name": "new"}},
        ]
        file.write_text(json.dumps(rows))
        call_command("loaddata", str(file), verbosity=0)


def deserialized():
    text = serializers.serialize("json", Item.objects.filter(pk=1)).replace("Item 1", "Read in")
    for one in serializers.deserialize("json", text):
        one.save()


def swapped_table():
    """As a migration does by hand."""
    execute('CREATE TABLE "new" AS SELECT * FROM strange_held')
    execute("DELETE FROM strange_held")
    columns = 'id, bundle_id, item_id, "count"'
    execute(f'INSERT INTO strange_held ({columns}) SELECT {columns} + 1 FROM "new"')
    execute('DROP TABLE "new"')


def through_wrapper():
    """A wrapper that comes and goes."""

    def passing(run, sql, parameters, many, context):
        return run(sql, parameters, many, context)

    def change():
        try:
            with connection.execute_wrapper(passing):
                Vendor.objects.count()
            Vendor.objects.filter(pk="ann").update(name="wrapped")
        finally:
            connections.close_all()

    # Its connection is new.
    thread = threading.Thread(target=change)
    thread.start()
    thread.join()


def content_type_renamed():
    ContentType.objects.filter(app_label="strange", model="day").update(model="dayx")
    ContentType.objects.clear_cache()


def begun_by_hand():
    execute("BEGIN")
    Vendor.objects.filter(pk="ann").update(name="begun")
    execute("SAVEPOINT here")
    Vendor.objects.filter(pk="bob").update(name="never")
    execute("ROLLBACK TO SAVEPOINT here")
    execute("COMMIT")


def child_alone():
    """A row of the parent becomes one of the child, and nothing is written to the parent."""
    Bundle(item_ptr_id=5, note="alone").save_base(raw=True)


def guarantee():
    Guarantee.objects.create(item_id=5, text="new")


def dependent_of_missing():
    Badge.objects.filter(pk=1).update(guarantee_id=6)


FUNCTIONS = [one for one in list(globals().values()) if inspect.isfunction(one) and one.__module__ == __name__]
WRITES = {one.__name__: one for one in FUNCTIONS if one not in (execute, save_later)}
