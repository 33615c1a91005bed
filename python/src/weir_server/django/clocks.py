"""What templates say of the time of day, and of how long ago something was: a page that shows it changes by itself."""

import functools
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.template import Library, defaultfilters, defaulttags

from weir_server.django import capture

# Letters of a format that change once a year: `{% now "Y" %}` in a footer.
YEARS = frozenset("YyoL")


def install() -> None:
    """Call it once."""
    if hasattr(defaulttags.NowNode, "weir_usual"):
        return
    watch_filters(defaultfilters.register, "timesince", "timeuntil")
    if apps.is_installed("django.contrib.humanize"):
        from django.contrib.humanize.templatetags import humanize

        watch_filters(humanize.register, "naturalday", "naturaltime")
    render: Callable[[Any, Any], Any] = defaulttags.NowNode.render

    def render_now(self: Any, context: Any) -> Any:
        if any(letter.isalpha() and letter not in YEARS for letter in self.format_string):
            note()
        return render(self, context)

    defaulttags.NowNode.weir_usual = render  # type: ignore[attr-defined]
    defaulttags.NowNode.render = render_now  # type: ignore[method-assign]


def watch_filters(library: Library, *names: str) -> None:
    for name in names:
        library.filters[name] = noting(library.filters[name], is_pair=name.startswith("time"))


def noting(usual: Callable[..., Any], *, is_pair: bool) -> Callable[..., Any]:
    """`is_pair`: with a second time, it says what lies between the two."""

    @functools.wraps(usual)
    def filters(value: Any, arg: Any = None) -> Any:
        if arg is None or not is_pair:
            note()
        return usual(value) if arg is None else usual(value, arg)

    return filters


def note() -> None:
    found = capture.recorder()
    if found is not None:
        found.timed = True
