"""The WSGI application. WEIR_DEMO_VALIDATE=1 puts wsgiref's validator around it, which complains of any breach of PEP 3333."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "millrace.settings")
application = get_wsgi_application()

if os.environ.get("WEIR_DEMO_VALIDATE") == "1":
    from wsgiref.validate import validator

    application = validator(application)
