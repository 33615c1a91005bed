"""Ways to read that leave the thread of the page: async code, pools of threads. Each gives what a page would show."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections

from strange.models import Held, Item, Label, Vendor
from strange.reads import by_choice, by_number, by_uuid, in_bulk, in_bulk_by_key, symmetrical

# Made before any page: its threads are nobody's.
POOL = ThreadPool(2)
EXECUTOR = ThreadPoolExecutor(1)


async def later():
    one = await Item.objects.select_related("vendor").filter(pk=1).afirst()
    names = [item.name async for item in Item.objects.filter(vendor="ann").order_by("pk")]
    count = await Held.objects.filter(bundle=9).acount()
    rest = await asyncio.gather(
        sync_to_async(in_bulk)(), asyncio.get_running_loop().run_in_executor(None, closing(count_of_labels))
    )
    return [one and one.vendor.name, names, count, await Vendor.objects.filter(pk="dan").aexists(), rest]


def closing(read):
    """In a thread of its own, whose connection ends with it."""

    def reads(*_):
        try:
            return read()
        finally:
            connections.close_all()

    return reads


def count_of_labels():
    return Label.objects.filter(about_pk="1").count()


def asynchronous():
    return async_to_sync(later)()


def in_pool():
    return [*POOL.map(closing(by_choice), [1]), POOL.apply_async(closing(count_of_labels)).get(10)]


def in_pool_lazily():
    return list(POOL.imap(closing(by_number), [1])) + list(POOL.imap_unordered(closing(in_bulk_by_key), [1]))


def in_executor():
    return [EXECUTOR.submit(closing(by_uuid)).result(10), *EXECUTOR.map(closing(symmetrical), [1])]


READS = {one.__name__: one for one in (asynchronous, in_pool, in_pool_lazily, in_executor, count_of_labels)}
