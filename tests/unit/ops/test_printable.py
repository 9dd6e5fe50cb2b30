"""Text of others, safe to print."""

import pytest

from ops.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Łódź, 東京, สวัสดี, 👩\u200d💻", "Łódź, 東京, สวัสดี, 👩\u200d💻"),
        ("a\x1b[2Jb\x07", "a\\x1b[2Jb\\x07"),
        ("one\r\ntwo", "one\\x0d\\x0atwo"),
        ("\x9b31m \u202edcba \u2028", "\\x9b31m \\u202edcba \\u2028"),
    ],
)
def test_text_of_others_has_no_effect_on_a_screen(text: str, shown: str) -> None:
    assert printable(text) == shown
