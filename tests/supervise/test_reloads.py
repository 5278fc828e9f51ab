"""Who is told how a reload went: those who asked for it, and those who asked while it was under way."""

from lambdaproxy.supervise.reloads import Reloads


def test_who_asks_meanwhile_is_told_of_the_next_one_and_once():
    reloads, told = Reloads(), []

    def teller(name):
        return lambda good, text: told.append((name, good, text))

    assert reloads.begins(teller("first"), None) is None
    for name in ("second", "third"):
        reloads.follows(teller(name), 3)
    reloads.ends(False, "no")
    reloads.tell(False, "no")
    assert told == [("first", False, "no")]
    following = reloads.next()
    assert following is not None and reloads.next() is None, "one more, however many have asked"
    assert reloads.begins(following, None) == 3, "with as many workers as were asked for meanwhile"
    reloads.tell(True, "yes")
    assert told[1:] == [("second", True, "yes"), ("third", True, "yes")]


def test_the_end_is_told_to_everybody():
    reloads, told = Reloads(), []
    reloads.begins(lambda *how: told.append(how), None)
    reloads.follows(lambda *how: told.append(how), None)
    reloads.stop()
    assert told == [(False, "we are stopping")] * 2
    assert reloads.next() is None
