"""The application of a site that has no module for it."""

from django.core.asgi import get_asgi_application

application = get_asgi_application()
