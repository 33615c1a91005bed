"""Where applications keep things besides an SQL database: what a page takes from there has no tags, and may be old.

The caches of Django are in `weir_server.django.kept`.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

MONGO = ("find", "find_one", "find_raw_batches", "aggregate", "count_documents", "estimated_document_count", "distinct")
# Modules, a class in each, and its methods that read. Flask-Caching uses cachelib.
KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "cachelib.base": ("BaseCache", ("get", "get_many", "get_dict", "has", "inc", "dec")),
    "fastapi_cache.types": ("Backend", ("get", "get_with_ttl")),
    "aiocache.base": ("BaseCache", ("get", "multi_get", "exists", "increment")),
    "dogpile.cache.region": ("CacheRegion", ("get", "get_multi", "get_or_create", "get_or_create_multi")),
    "pymemcache.client.base": ("Client", ("get", "gets", "get_many", "gets_many")),
    # Its methods are one.
    "redis.client": ("Redis", ("execute_command",)),
    "redis.asyncio.client": ("Redis", ("execute_command",)),
    "redis.cluster": ("RedisCluster", ("execute_command",)),
    "redis.asyncio.cluster": ("RedisCluster", ("execute_command",)),
    "valkey.client": ("Valkey", ("execute_command",)),
    "valkey.asyncio.client": ("Valkey", ("execute_command",)),
    "valkey.cluster": ("ValkeyCluster", ("execute_command",)),
    "memcache": ("Client", ("get", "gets", "get_multi")),
    "diskcache.core": ("Cache", ("get", "read", "peek", "peekitem", "__getitem__", "__contains__", "incr", "decr")),
    # It keeps values of Redis in the process.
    "constance.backends.redisd": ("RedisBackend", ("get", "mget", "aget", "amget")),
    # A database that is asked past Django and SQLAlchemy.
    "peewee": ("Database", ("execute_sql",)),
    "pymongo.synchronous.collection": ("Collection", MONGO),
    "pymongo.asynchronous.collection": ("AsyncCollection", MONGO),
    "elasticsearch.transport": ("Transport", ("perform_request",)),
    "elastic_transport._transport": ("Transport", ("perform_request",)),
    "elastic_transport._async_transport": ("AsyncTransport", ("perform_request",)),
    "opensearchpy.transport": ("Transport", ("perform_request",)),
}
# The commands of Redis whose answers a page may show. Queues, locks and limits use others.
COMMANDS = frozenset(
    "GET MGET GETRANGE GETBIT STRLEN EXISTS HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSCAN LRANGE LINDEX LLEN"
    " SMEMBERS SISMEMBER SMISMEMBER SCARD SRANDMEMBER SINTER SUNION SDIFF SSCAN ZRANGE ZREVRANGE ZRANGEBYSCORE"
    " ZREVRANGEBYSCORE ZRANGEBYLEX ZSCORE ZMSCORE ZRANK ZREVRANK ZCARD ZCOUNT ZSCAN XRANGE XREVRANGE XLEN PFCOUNT"
    " BITCOUNT BITPOS GEOSEARCH GEORADIUS GEOPOS GEODIST GEOHASH GETEX GETSET GETDEL SUBSTR HSTRLEN HRANDFIELD LPOS"
    " ZRANDMEMBER ZINTER ZUNION ZDIFF ZLEXCOUNT SINTERCARD SORT SORT_RO KEYS SCAN RANDOMKEY EVAL_RO EVALSHA_RO FCALL_RO"
    " JSON.GET JSON.MGET FT.SEARCH FT.AGGREGATE TS.GET TS.RANGE".split()
)
_watched: set[str] = set()
# A process may have a site of Django beside another one.
_notes: list[Callable[[], None]] = []

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def watch(note: Callable[[], None]) -> None:
    """Calls `note` whenever one is read. Call it often: modules may be imported later."""
    if note not in _notes:
        _notes.append(note)
    for module in KNOWN.keys() - _watched:
        if module in sys.modules:
            _watched.add(module)
            name, methods = KNOWN[module]
            found = getattr(sys.modules[module], name, None)
            if found is not None:
                wrap_class(found, methods, functools.partial(WRAPS.get(methods, noting), note=tell))


def tell() -> None:
    for note in _notes:
        note()


def watch_class(base: Any, methods: tuple[str, ...], note: Callable[[], None]) -> None:
    wrap_class(base, methods, functools.partial(noting, note=note))


def wrap_class(base: Any, methods: tuple[str, ...], wrap: Wrap) -> None:
    """Puts something around methods of a class and of all below it, also of those that are made later."""

    def subclassed(cls: Any, /, **more: Any) -> None:
        super(base, cls).__init_subclass__(**more)
        wrap_methods(cls, methods, wrap)

    for cls in {base, *below(base)}:
        wrap_methods(cls, methods, wrap)
    base.__init_subclass__ = classmethod(subclassed)


def below(cls: Any) -> Iterator[Any]:
    for one in type.__subclasses__(cls):
        yield one
        yield from below(one)


def wrap_methods(cls: Any, methods: tuple[str, ...], wrap: Wrap) -> None:
    for name in methods:
        usual = cls.__dict__.get(name)
        if callable(usual):
            setattr(cls, name, wrap(usual))


def noting(usual: Callable[..., Any], note: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(usual)
    def reads(*args: Any, **more: Any) -> Any:
        note()
        return usual(*args, **more)

    return reads


def noting_commands(usual: Callable[..., Any], note: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(usual)
    def execute(self: Any, *args: Any, **more: Any) -> Any:
        if args and str(args[0]).upper() in COMMANDS:
            note()
        return usual(self, *args, **more)

    return execute


WRAPS: dict[tuple[str, ...], Callable[..., Any]] = {("execute_command",): noting_commands}
