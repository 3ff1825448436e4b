"""A register of what exists, which other code changes at any moment."""

import gc
import sys

from cwlog_handler.system.register import Register


class Thing:
    """Something that ceases to exist when nobody refers to it."""


def test_something_may_be_added_while_the_register_is_gone_through():
    """As a thread does that makes a handler while another one ends the process."""
    register = Register()
    known = [Thing() for _ in range(3)]
    for thing in known:
        register.add(thing)
    added = []

    def add(*_):
        if len(added) < 50:
            added.append(Thing())
            register.add(added[-1])
        return add

    before = sys.gettrace()
    sys.settrace(add)
    try:
        found = list(register)
    finally:
        sys.settrace(before)
    assert added
    assert set(known) <= set(found)


def test_what_nobody_refers_to_any_more_leaves_the_register():
    register = Register()
    stays, goes = Thing(), Thing()
    register.add(stays)
    register.add(goes)
    del goes
    gc.collect()
    assert list(register) == [stays]
    assert len(register._references) == 1
