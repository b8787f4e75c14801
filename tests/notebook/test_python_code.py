"""Code from a completion runs: joined with the code it goes on from, without fences, cut where a statement ends."""

from __future__ import annotations

import pytest

from jupyter_complete.notebook.python_code import code_of, parses, parsing_part

DEF = "def mean_alcohol(df):"
BODY = '\n    """The mean."""\n    return df.alcohol.mean()\n'


@pytest.mark.parametrize(
    ("prompt", "text", "code", "left_out"),
    [
        (DEF, BODY, DEF + BODY.rstrip(), ""),
        ("x = [1, 2,", " 3]\nprint(x)", "x = [1, 2, 3]\nprint(x)", ""),
        ("# the mean\n", "m = sum(x) / len(x)\n", "# the mean\nm = sum(x) / len(x)", ""),
        ("Write a function:", "\n\n    def f():\n        return 1\n", "def f():\n    return 1", ""),
        (DEF, f"Sure:\n```python\n{DEF}\n    return 1\n```", f"# Sure:\n\n{DEF}\n    return 1", ""),
        (DEF, "\n    a = 1\n    return (a +", f"{DEF}\n    a = 1", "1 line that does"),
        ("", "a = 1\nb = (\nc = 2\n", "a = 1", "2 lines that do"),
        ("%matplotlib inline\nx = ", "1", "%matplotlib inline\nx = 1", ""),
        ("%%bash\n", "echo $((1 +", "%%bash\necho $((1 +", ""),
    ],
)
def test_what_is_written_parses(prompt: str, text: str, code: str, left_out: str) -> None:
    found, note = code_of(prompt, text)
    assert found == code
    assert left_out in note
    assert bool(note) == bool(left_out)
    assert parses(found) or found.startswith("%%")


def test_what_is_no_python_is_written_as_it_is_and_that_is_said() -> None:
    text = "Of course, here it is"
    assert code_of("Write", text) == (text, "The text does not parse as Python; the cell has it as it is.")


@pytest.mark.parametrize("code", ["", "(" * 5000, "x = '\0'", "\ud800 = 1", "1 +\n" * 1000])
def test_no_text_is_too_odd(code: str) -> None:
    assert isinstance(parsing_part(code), str)
