"""The application of a site that has no module for it."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
