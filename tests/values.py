"""Values whose classes have ``__slots__``: their fields, and changed copies of them."""


def fields(value):
    """The fields of a value, by name."""
    return {name: getattr(value, name) for name in type(value).__slots__}


def changed(value, **changes):
    """A copy of a value, with some fields changed."""
    return type(value)(**fields(value) | changes)
