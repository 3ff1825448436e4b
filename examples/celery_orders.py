"""Gives the worker of celery_shop.py four tasks, as a program does that uses Celery."""

from celery_shop import pack

if __name__ == "__main__":
    for number in range(4):
        pack.delay(number)
