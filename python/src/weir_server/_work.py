"""What the application has done for one reply: the field Weir-View, which Weir shows in `weir log` and `weir top`."""

from functools import lru_cache

FIELD = "Weir-View"
# In a reply to GET: something was changed for it, so Weir must not ask for it a second time.
ACTED = "Weir-Acted"
# A reply with one of these leads its visitor to another page.
LEAD_ON = (301, 302, 303, 307, 308)
# Weir keeps no longer name.
MAX_NAME = 200


class Work:
    """The queries to databases of one request."""

    __slots__ = ("queries", "seconds")

    def __init__(self) -> None:
        self.queries = 0
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.queries += 1
        self.seconds += seconds

    def field(self, view: str) -> str:
        return f'"{plain(view)}";queries={self.queries};sql-us={self.seconds * 1e6:.0f}'


@lru_cache(maxsize=1024)
def plain(view: str) -> str:
    return "".join(char for char in view if char.isascii() and char.isprintable() and char not in '"\\')[:MAX_NAME]


def name_of(view: object) -> str:
    """Where a view is defined: "news.views.article"."""
    name = getattr(view, "__qualname__", None) or type(view).__qualname__
    module = getattr(view, "__module__", None)
    return f"{module}.{name}" if module else str(name)
