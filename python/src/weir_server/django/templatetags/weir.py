"""`{% load weir %}`: the visitor's own texts in shared pages."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from weir_server.django import values

register = template.Library()


@register.simple_tag(takes_context=True)
def visitor_value(context: Any, name: str, default: object = "") -> SafeString:
    """`{% visitor_value "name" default="friend" %}`: see docs/python.md."""
    request = getattr(context, "request", None) or context["request"]
    return values.visitor_value(request, name, default)
