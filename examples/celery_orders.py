"""Gives the worker of celery_shop.py something to do, as a program does that has tasks."""

from celery_shop import pack

if __name__ == "__main__":
    for number in range(4):
        pack.delay(number)
