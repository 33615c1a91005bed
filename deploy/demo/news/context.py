"""What every page shows besides its own matter."""

from django.utils import timezone

from .models import Section


def paper(request):
    """The sections for the menu, and when the page was made: on a page from the cache it stands still."""
    return {"sections": Section, "made_at": timezone.now()}
