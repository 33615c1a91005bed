"""The WSGI application. WEIR_DEMO_VALIDATE=1 puts wsgiref's validator (PEP 3333) around it."""

import os
from wsgiref.validate import validator

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "millrace.settings")
application = get_wsgi_application()


def validated(application):
    """PEP 3333 lets a server leave out an empty SCRIPT_NAME; the validator trips over that, so it is put back."""
    checked = validator(application)
    return lambda environ, start_response: checked({"SCRIPT_NAME": "", **environ}, start_response)


if os.environ.get("WEIR_DEMO_VALIDATE") == "1":
    application = validated(application)
