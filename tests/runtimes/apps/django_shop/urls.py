"""The one page there is."""

import logging
import os

from django.http import HttpResponse
from django.urls import path

log = logging.getLogger("shop")


def order(request):
    for line in range(5):
        log.info("order %s, line %d", request.META["QUERY_STRING"], line)
    return HttpResponse(str(os.getpid()))


urlpatterns = [path("", order)]
