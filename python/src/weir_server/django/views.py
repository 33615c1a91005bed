"""The views with `@shared`, and what their code says about their pages. Reads code, runs no view."""

import ast
import contextlib
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.base import Node, NodeList
from django.template.base import Template as Compiled
from django.template.defaulttags import CsrfTokenNode
from django.template.loader import get_template
from django.template.loader_tags import ExtendsNode, IncludeNode
from django.urls import URLPattern, URLResolver, get_resolver

# Templates within templates are looked at up to here.
DEPTH = 10


def marked() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The name and the function of each view of the site with `@shared`, once."""
    seen: set[int] = set()
    for view in all_views(get_resolver().url_patterns):
        if id(view) not in seen and any(hasattr(layer, "weir_shared") for layer in layers(view)):
            seen.add(id(view))
            innermost = list(layers(view))[-1]
            yield f"{innermost.__module__}.{innermost.__qualname__}", view


def all_views(patterns: Any) -> Iterator[Callable[..., Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from all_views(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            yield pattern.callback


def layers(view: Any) -> Iterator[Any]:
    """The decorators of a view, from the outside, and the view itself; of a class, its methods too."""
    while view is not None:
        yield view
        if isinstance(view, functools.partial):
            view = view.func
            continue
        of_class = getattr(view, "view_class", None)
        if of_class is not None:
            for name in ("dispatch", "get"):
                yield from layers(of_class.__dict__.get(name))
            yield of_class
            return
        view = getattr(view, "__wrapped__", None)


def why_by_cookie(view: Any) -> str | None:
    """The decorator that makes its replies vary by Cookie."""
    for layer in layers(view):
        code = getattr(layer, "__code__", None)
        if code is None:
            continue
        cells = cells_of(layer)
        file = code.co_filename.replace("\\", "/")
        if file.endswith("django/views/decorators/vary.py"):
            names = [str(name).lower() for name in cells.get("headers", ())]
            if "cookie" in names:
                return "decorated with vary_on_cookie"
        if file.endswith("django/contrib/auth/decorators.py"):
            return "asks who is signed in"
        if file.endswith("django/utils/decorators.py") and "_pre_process_request" in cells:
            middleware = cells_of(cells["_pre_process_request"]).get("middleware")
            if type(middleware).__name__ == "_EnsureCsrfCookie":
                return "sets the CSRF cookie"
    return None


def cells_of(function: Any) -> dict[str, Any]:
    """What a function has from where it was defined."""
    names = getattr(function, "__code__", None) and function.__code__.co_freevars
    found: dict[str, Any] = {}
    for name, cell in zip(names or (), function.__closure__ or (), strict=False):
        with contextlib.suppress(ValueError):
            found[name] = cell.cell_contents
    return found


def template_with_token(view: Any) -> str | None:
    """The first template of a view in which a CSRF token stands."""
    for name in template_names(list(layers(view))[-1]):
        try:
            template = get_template(name)
        except (TemplateDoesNotExist, TemplateSyntaxError, UnicodeError):
            continue
        compiled = getattr(template, "template", None)
        if isinstance(compiled, Compiled) and holds_token(compiled, DEPTH):
            return name
    return None


def template_names(view: Any) -> list[str]:
    """What looks like a template among the texts in the code of a function or a class."""
    names = [view.template_name] if isinstance(getattr(view, "template_name", None), str) else []
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(view)))
    except (OSError, TypeError, SyntaxError):
        return names
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return names + [text for text in texts if text.endswith((".html", ".htm")) and " " not in text]


def holds_token(template: Compiled, depth: int) -> bool:
    nodes: NodeList = template.nodelist
    if nodes.get_nodes_by_type(CsrfTokenNode):
        return True
    if depth == 0:
        return False
    inner = [*nodes.get_nodes_by_type(ExtendsNode), *nodes.get_nodes_by_type(IncludeNode)]
    return any(holds_token(found, depth - 1) for node in inner if (found := named_in(node, template)))


def named_in(node: Node, template: Compiled) -> Compiled | None:
    """The template that a tag names as a plain text."""
    expression = node.parent_name if isinstance(node, ExtendsNode) else getattr(node, "template", None)
    name = getattr(expression, "var", None)
    if not isinstance(name, str):
        return None
    try:
        return template.engine.get_template(name)
    except (TemplateDoesNotExist, TemplateSyntaxError, UnicodeError):
        return None
