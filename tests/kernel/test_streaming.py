"""What a front end gets from a real kernel: text that grows at a bounded rate, then one static bundle."""

from __future__ import annotations

from itertools import pairwise

import pytest
from kernels import Kernel

pytestmark = pytest.mark.kernel

HEAVY = "sorted({'torch', 'transformers', 'numba', 'anywidget', 'pandas'} & set(__import__('sys').modules))"


def test_loading_imports_nothing_heavy(fresh: Kernel) -> None:
    fresh.good("%load_ext jupyter_complete")
    assert fresh.value(HEAVY) == []


def test_a_complete_line_and_its_help_import_nothing_heavy(fresh: Kernel) -> None:
    fresh.good("%load_ext jupyter_complete")
    fresh.run("%%complete?")
    assert "UsageError" in fresh.run("%%complete --nonsense\nThe mean").text
    fresh.good("%complete_model list")
    assert "%%complete --temperature" in fresh.completions("%%complete --te")
    assert fresh.value(HEAVY) == []


def test_text_grows_at_ten_updates_a_second_or_fewer(kernel: Kernel) -> None:
    ran = kernel.good("%%complete -N 130 -t 0\nThe mean of a sample")
    shows = [message for message in ran.messages if message["msg_type"].endswith("display_data")]
    times = [message["header"]["date"].timestamp() for message in shows]
    assert len(times) > 10
    # the kernel's own clock; one interval is begun, and the last update, the result, does not wait for its turn
    assert len(times) <= 2 + 10 * (times[-1] - times[0])


def test_each_text_begins_with_the_one_before(kernel: Kernel) -> None:
    ran = kernel.good("%%complete -N 60 -t 0\nThe mean of a sample")
    *live, final = ran.shown
    texts = [content["data"]["text/plain"] for content in live]
    assert texts == sorted(texts, key=len)
    assert all(after.startswith(before) for before, after in pairwise(texts))
    assert final["data"]["text/plain"].startswith(texts[-1])


def test_one_output_is_written_over_and_no_other_made(kernel: Kernel) -> None:
    ran = kernel.good("%%complete -N 30 -t 0\nThe mean of a sample")
    assert [message["msg_type"] for message in ran.messages if message["msg_type"].endswith("display_data")] == [
        "display_data",
        *["update_display_data"] * (len(ran.shown) - 1),
    ]
    assert len({content["transient"]["display_id"] for content in ran.shown}) == 1
    assert ran.text == ""
    assert ran.of("clear_output") == []
    assert ran.of("comm_open") == []


def test_the_last_is_a_static_bundle(kernel: Kernel) -> None:
    final = kernel.good("%%complete -N 8 -t 0 -o c\nThe mean").shown[-1]
    assert set(final["data"]) == {"text/html", "text/markdown", "text/plain"}
    assert final["metadata"] == {}
    assert final["data"]["text/plain"].startswith(kernel.value("c.text").strip("\n")[:1])
    for word in ("<script", "<style", "javascript", "class="):
        assert word not in final["data"]["text/html"]


def test_a_live_text_has_the_final_layout_and_says_what_kind_it_is(kernel: Kernel) -> None:
    *live, final = kernel.good("%%complete -N 30 -t 0\nThe mean").shown
    assert {tuple(content["data"]) for content in live} == {("text/html", "text/plain")}
    begins = [content["data"]["text/html"].partition("<pre")[2].partition(">")[0] for content in (live[-1], final)]
    assert begins[0] == begins[1] != ""
    assert [content["metadata"]["jupyter_complete"] for content in live][-1] == "growing"


def test_captured_only_the_final_output_is_there(kernel: Kernel) -> None:
    ran = kernel.good("%%capture held\nget_ipython().run_cell_magic('complete', '-N 30 -t 0', 'The mean')")
    assert ran.shown == []
    assert ran.text == ""
    assert kernel.value("[sorted(one.data) for one in held.outputs]") == [["text/html", "text/markdown", "text/plain"]]
    assert kernel.value("[held.stdout, held.stderr]") == ["", ""]


def test_the_result_is_bound(kernel: Kernel) -> None:
    kernel.good("%%complete -N 5 -t 0 -o held\nThe mean")
    assert kernel.value("[type(held).__name__, held.prompt, len(held.tokens)]") == ["Completion", "The mean", 5]


@pytest.mark.parametrize("body", ["  two\n\n", "two", "a\n   \n\tb\n    ", ">>> 1 + 1", "  every\n  line", "why?"])
def test_a_body_reaches_the_model_as_typed(kernel: Kernel, body: str) -> None:
    kernel.good(f"%%complete -N 1 -o held\n{body}")
    assert kernel.value("held.prompt") == body


def test_a_line_that_asks_reaches_the_model(kernel: Kernel) -> None:
    ran = kernel.good("%complete -N 1 -o held What is the mean?")
    assert kernel.value("held.prompt") == "What is the mean?"
    assert "not found" not in ran.text


def test_a_body_called_from_code_loses_the_one_newline_that_ipython_appends(kernel: Kernel) -> None:
    kernel.good("get_ipython().run_cell_magic('complete', '-N 1 -o held', '  two\\n\\n')")
    assert kernel.value("held.prompt") == "  two\n"


def test_more_continues_the_last_and_takes_its_place(kernel: Kernel) -> None:
    kernel.good("%%complete -N 20 -t 0 -o whole\nThe mean of")
    kernel.good("%%complete -N 12 -t 0 -o part\nThe mean of")
    kernel.good("%complete_more 8")
    assert kernel.value("part.text == whole.text")
    assert kernel.value("[len(part.tokens), part.usage.completion_tokens]") == [20, 8]
    assert kernel.value("part.usage.cached_tokens") > 0


def test_variables_in_a_prompt_are_left_as_they_are(kernel: Kernel) -> None:
    kernel.good("x = 5")
    kernel.good("%complete -N 1 {x} and $x")
    assert kernel.value("jc.last().prompt") == "{x} and $x"


def test_a_bad_line_is_one_sentence_without_a_traceback(kernel: Kernel) -> None:
    ran = kernel.run("%%complete -t -1\nThe mean")
    assert ran.text.startswith("UsageError: ")
    assert ran.text.count("\n") <= 1
    assert ran.of("error") == []


def test_an_error_of_ours_is_two_lines(kernel: Kernel) -> None:
    ran = kernel.run(f"%%complete\n{'word ' * 400}")
    (raised,) = ran.of("error")
    assert raised["content"]["ename"] == "PromptTooLong"
    assert len(raised["content"]["traceback"]) == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%%complete --te", "%%complete --temperature"),
        ("%%complete -N 5 --se", "%%complete -N 5 --seed"),
        ("%complete --top", "%complete --top-p"),
        ("%%complete -m sm", "%%complete -m smollm2"),
        ("%%complete --model ti", "%%complete --model tiny"),
        ("%%complete -m qwen3-0", "%%complete -m qwen3-0.6b"),
        ("%complete_model load qwen3-0.6b:", "%complete_model load qwen3-0.6b:gguf"),
        ("%%complete --format ma", "%%complete --format markdown"),
        ("%complete_model lo", "%complete_model load"),
        ("%complete_model ", "%complete_model unload"),
        ("%complete_model load sm", "%complete_model load smollm2"),
        ("%complete_model load tiny --dt", "%complete_model load tiny --dtype"),
        ("%complete_model load tiny --dtype bf", "%complete_model load tiny --dtype bfloat16"),
    ],
)
def test_tab_completes(kernel: Kernel, typed: str, offered: str) -> None:
    assert offered in kernel.completions(typed)


@pytest.mark.parametrize(
    ("typed", "only"), [("%%complete --te", "--temperature"), ("%%complete --format ma", "markdown")]
)
def test_tab_offers_nothing_beside(kernel: Kernel, typed: str, only: str) -> None:
    assert [offer.rpartition(" ")[2] for offer in kernel.completions(typed)] == [only]


def test_tab_elsewhere_is_pythons(kernel: Kernel) -> None:
    kernel.good("temperature_outside = 5")
    assert kernel.completions("temperature_out") == ["temperature_outside"]


STATE = """
import threading
shell = get_ipython()
state = [
    sorted(name for kind in shell.magics_manager.magics.values() for name in kind if name.startswith("complete")),
    len(shell.Completer.custom_matchers),
    [type(one).__name__ for one in shell.configurables].count("Complete"),
    sorted(name for name in shell.magics_manager.registry if name.startswith("Complete")),
    threading.active_count(),
    len(shell.events.callbacks["pre_run_cell"]),
    len(shell.input_transformer_manager.token_transformers),
    jc.current().models.get("tiny") is not None,
]
"""


def state(kernel: Kernel) -> list[object]:
    kernel.good(STATE)
    return list(kernel.value("state"))


def test_loaded_again_and_again_there_is_one_of_everything_and_the_model_is_kept(kernel: Kernel) -> None:
    kernel.good("%%complete -N 1\nThe mean")
    before = state(kernel)
    names = [
        "complete",
        "complete_inside",
        "complete_inside",  # of a line, and of a cell
        "complete_model",
        "complete_more",
        "complete_panel",
        "complete_panel",
        "complete_tasks",
        "complete_thread",
    ]
    assert before[0] == ["complete", *names]
    assert before[2] == 1
    engine = kernel.value("id(jc.current().models.get('tiny').engine)")
    kernel.good("%load_ext jupyter_complete")
    kernel.good("for _ in range(25):\n    get_ipython().run_line_magic('reload_ext', 'jupyter_complete')")
    assert state(kernel) == before
    kernel.good("%unload_ext jupyter_complete")
    assert state(kernel)[:4] == [[], 0, 0, []]
    assert "`%%complete` not found" in kernel.run("%%complete\nThe mean").text
    kernel.good("%load_ext jupyter_complete")
    assert state(kernel) == before
    kernel.good("%%complete -N 2\nThe mean")
    assert kernel.value("id(jc.current().models.get('tiny').engine)") == engine


def test_settings_live_through_a_reload(kernel: Kernel) -> None:
    kernel.good("%config Complete.top_k = 7")
    kernel.good("%reload_ext jupyter_complete")
    kernel.good("%%complete -N 1 -o c\nThe mean")
    kernel.good("%config Complete.top_k = 0")
    assert kernel.value("c.params.top_k") == 7
