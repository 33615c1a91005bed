"""The rows that the odd models begin with."""

import datetime

from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connection

from strange.models import Badge, Booking, Bundle, Day, DayNote, Guarantee, Held, Item, Label, Vendor

REFERENCE = "00000000-0000-0000-0000-00000000000%d"


def fill():
    for model in (Badge, Guarantee, Label, Held, Bundle, DayNote, Day, Booking, Item, Vendor):
        model.objects.all().delete()
    Vendor.objects.bulk_create(Vendor(code=code, name=code.upper()) for code in ("ann", "bob", "cyd"))
    for number in range(1, 7):
        # The vendor of the last ones is not there.
        code = ("ann", "bob", "cyd", "dan")[(number - 1) // 2 % 4] if number < 6 else "dan"
        Item.objects.create(
            pk=number,
            slug=f"i{number}",
            name=f"Item {number}",
            price=10 * number,
            vendor_id=code,
            extra={"size": number},
        )
    Item.objects.filter(pk=4).update(spare_id="eve")
    Item.objects.get(pk=1).friends.add(2, 3)
    bundle = Bundle.objects.create(pk=9, slug="b9", name="Bundle", price=5, vendor_id="ann", note="two")
    Held.objects.bulk_create(Held(pk=pk, bundle=bundle, item_id=pk, count=pk) for pk in (1, 2))
    kind = ContentType.objects.get_for_model(Item)
    Label.objects.bulk_create(Label(pk=pk, kind=kind, about_pk=str(pk), text=f"label {pk}") for pk in (1, 2, 3))
    for number in (1, 2, 6):
        Guarantee.objects.create(item_id=number, text=f"guarantee {number}")
        Badge.objects.create(pk=number, guarantee_id=number)
    for number in (1, 2, 3):
        before = REFERENCE % (number - 1) if number > 1 else None
        Booking.objects.create(pk=number, reference=REFERENCE % number, before_id=before, text=f"b{number}")
    for number in (1, 2):
        day = Day.objects.create(date=datetime.date(2001, 1, number), text=f"day {number}")
        DayNote.objects.create(day=day, text=f"note {number}")
    # The keys were chosen here.
    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), [Item, Held, Label, Booking, Badge]):
            cursor.execute(sql)
