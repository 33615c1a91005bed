"""Weir, a web server and cache for Python web applications: the program, and what applications tell it."""

from weir_server._admin import Admin, Outcome, PurgeError
from weir_server._find import find_weir_bin

__all__ = ["Admin", "Outcome", "PurgeError", "find_weir_bin"]
