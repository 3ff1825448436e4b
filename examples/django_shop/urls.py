"""The only page of the project."""

import logging

from django.http import HttpRequest, HttpResponse
from django.urls import path

log = logging.getLogger(__name__)


def order(request: HttpRequest, number: int) -> HttpResponse:
    log.info("order %d by %s", number, request.method)
    return HttpResponse("thank you\n")


urlpatterns = [path("order/<int:number>", order)]
