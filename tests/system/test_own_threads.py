"""Which threads are ours."""

from cwlog_handler.system.own_threads import is_own_thread, own_thread


def test_a_thread_is_ours_while_the_outermost_block_runs():
    """A caller that drives may come to drive again within."""
    assert not is_own_thread()
    with own_thread():
        with own_thread():
            pass
        assert is_own_thread()
    assert not is_own_thread()
