"""Text that is HTML already: that of markupsafe if it is installed, as it is with Jinja2."""

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup, escape
else:
    try:
        from markupsafe import Markup, escape
    except ModuleNotFoundError:

        class Markup(str):
            """What template engines ask for is the method."""

            def __html__(self):
                return self

        def escape(text):
            return Markup(html.escape(str(text)))


__all__ = ["Markup", "escape"]
