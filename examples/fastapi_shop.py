"""A FastAPI application under uvicorn that logs to CloudWatch Logs. The event loop never waits for the network.

uvicorn itself gets the configuration, so that its access log arrives too, and each of several workers sends its own
records: ``uvicorn fastapi_shop:app --log-config uvicorn_logging.json``.
"""

import logging

from fastapi import FastAPI

log = logging.getLogger("shop")
app = FastAPI()


@app.get("/order/{number}")
async def order(number: int) -> dict[str, int]:
    log.info("order %d", number)
    return {"number": number}
