"""A FastAPI application under uvicorn that logs to CloudWatch Logs. The event loop never waits for the network.

uvicorn itself gets the configuration, so that its access log arrives too, and each of several workers sends its own
records: ``uvicorn fastapi_shop:app --log-config uvicorn_logging.json``. Each has the id of its request: see
request_ids.py.
"""

import logging

from fastapi import FastAPI
from request_ids import asgi_request_ids

log = logging.getLogger("shop")
api = FastAPI()
# Around all of it: with `api.add_middleware` the answer to a failed request would have no id.
app = asgi_request_ids(api)


@api.get("/order/{number}")
async def order(number: int) -> dict[str, int]:
    log.info("order %d", number)
    return {"number": number}
