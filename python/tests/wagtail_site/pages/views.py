"""Changes as editors make them, for tests that have no browser."""

import json

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pages import changes


@csrf_exempt
def change(request):
    changes.make(json.loads(request.body))
    return HttpResponse("done")
