"""Where the tests lie: tests/ROOM/test_FILE.py for jupyter_complete/ROOM/FILE.py, and what is decided otherwise."""

from __future__ import annotations

import ast
from pathlib import Path, PurePosixPath

import house

TESTS = Path(__file__).resolve().parent

# Rooms of tests of their own: real kernels, front ends, judged tasks, measurements, all rooms with a real transformer,
# every model type of transformers, the promises of docs/promises.md.
OWN_ROOMS = ("bench", "browser", "families", "hold", "judged", "kernel", "whole")

# Test files of no single module, and what they test.
OF_NO_MODULE = {
    "prompt/variables/tables/test_tables.py": "the modules of prompt/variables/tables/, against the libraries",
    "engine/inside/test_real_model_inside.py": "the answers about the inside of SmolLM2",
    "engine/inside/test_answers.py": "the modules of engine/inside/answers/, a kind of question each",
    "render/test_findings.py": "the modules of render/findings/, a finding each",
    "engine/weights/gguf/test_families.py": "GGUF files of each family, against the models they were made from",
    "engine/weights/gguf/test_real_file.py": "SmolLM2 at other kinds of blocks, against float32 of the same file",
    "engine/weights/gguf/test_older.py": "engine/weights/gguf/transformers_reader: architectures that it reads",
    "engine/test_branching.py": "a branch from a token, from the magic down to the sampler",
    "engine/test_card.py": "all of the engine on a graphics card",
    "engine/test_real_model.py": "all of the engine with SmolLM2, against transformers",
    "session/test_thinking.py": "thinking and a model's own sampling, in all rooms above the engine",
    "session/test_conversations.py": "--thread, over session/session, session/resolve and notebook/magics",
    "engine/remote/test_llama_server.py": "the remote engine, on llama.cpp's server",
    "engine/remote/test_transformers_serve.py": "the remote engine, on transformers serve",
    "serve/test_idle.py": "serve/host and cli/serve: a model that nobody uses is unloaded",
    "serve/test_openai_client.py": "serve/openai and cli/serve, by OpenAI's own client",
    "test_docs.py": "README and docs",
    "test_house.py": "the package's own shape",
    "test_labextension.py": "labextension/, and what is built of it",
    "test_names.py": "what a newcomer finds by the file names",
    "test_torch_use.py": "the tests that need torch, and those that do not",
    "test_public_face.py": "the names, magics, options and commands that users have",
}

_INT8 = "engine/runners/test_int8.py: the compiled passes, against transformers' logits and tokens"

_GGUF = "engine/weights/gguf/test_families.py: logits of each family's file, against the model it was made from"

# Modules with code that have no test file of their name, and the test file that checks what they do. A name that ends
# in a slash stands for every module of a folder.
UNTESTED = {
    "prompt/variables/sandbox": "prompt/variables/test_evaluate.py: expressions",
    "__init__": "test_house.py: the public names and what an import loads",
    "cli/fetch": "cli/test_main.py: it is one of the commands",
    "cli/demo": "cli/test_main.py: it is one of the commands, and runs a kernel",
    "engine/remote/asking": "engine/remote/test_engine.py: a request that adapts to what a server refuses",
    "engine/remote/attempts": "engine/remote/test_faults.py: what is tried again",
    "engine/remote/body": "engine/remote/test_engine.py: what a server is sent",
    "engine/remote/connection": "engine/remote/test_engine.py: a stop ends the connection",
    "engine/remote/limits": "engine/remote/test_engine.py: what a server lacks",
    "engine/remote/replies": "engine/remote/test_faults.py: replies that are none",
    "engine/remote/rows": "engine/remote/test_engine.py: rows side by side",
    "engine/remote/score": "engine/remote/test_engine.py: a text scored by its echo",
    "engine/remote/target": "engine/remote/test_engine.py: info, usage and timing",
    "session/connect": "engine/remote/test_engine.py: a magic that lists models",
    "engine/__init__": "test_house.py: it silences one warning",
    "engine/echo/answer": "engine/echo/test_engine.py: the engine answers with it",
    "engine/echo/__init__": "engine/echo/test_engine.py: it exports the names and has the example",
    "engine/decoding/continuations": "engine/decoding/test_loop.py: it is what the loop's tokens become",
    "engine/inside/attention_hooks": "engine/inside/test_answers.py: a hook shows in the answers alone",
    "engine/inside/recorder": "results/test_trace.py: a trace replays to the tokens it recorded",
    "engine/inside/answer": "engine/inside/test_answers.py: what each kind of answer is made from",
    "engine/inside/answers/": "engine/inside/test_answers.py: each kind, against transformers",
    "engine/inside/layer_logits": "engine/inside/test_answers.py: the lens, against the model's own head",
    "engine/inside/open_model": "engine/inside/test_answers.py: an int8 model is read with its own weights",
    "engine/kernels/activations": "engine/weights/test_layer_shape.py: each activation shows in the logits",
    "engine/kernels/experts": "engine/weights/test_layer_shape.py: mixtures of experts, against transformers",
    "engine/kernels/share": "engine/runners/test_int8.py: a thread's share of the work",
    "engine/kernels/sizes": "engine/kernels/test_matvec.py: constants of the kernels",
    "ghost/acts": "ghost/test_pages.py: the texts that commands ask for",
    "ghost/kernel": "browser/test_ghost.py: a page and a kernel",
    "ghost/writer": "ghost/test_pages.py: what pages are told of a text",
    "notebook/background": "kernel/test_background.py: cells that wait for a text in the background",
    "notebook/waiting": "kernel/test_silence.py: what Python code waits for is said in the cell",
    "results/trace_check": "hold/test_trace_files.py: a changed trace is drawn or refused",
    "engine/details": "engine/test_local.py: what an engine says of its model",
    "engine/packed": "engine/test_load.py: packed models, and forms that fail",
    "engine/machine/forked": "hold/test_fork.py: a model is used in processes that were forked",
    "sources/seal": "hold/test_caches.py: damage in the cache is noticed",
    "serve/__main__": "kernel/test_shared.py: a kernel starts the server",
    "serve/connection": "serve/test_client.py: all that a kernel asks goes through it",
    "serve/guard": "serve/test_server.py: what is refused",
    "serve/host": "serve/test_server.py: the models of a server",
    "serve/native": "serve/test_client.py: what a kernel is sent",
    "serve/openai_answer": "serve/test_openai.py: answers, whole and in chunks",
    "serve/openai_request": "serve/test_openai.py: bodies, and what is refused in them",
    "serve/outbox": "serve/test_shared_model.py: what is put in comes out; serve/test_client.py: by the event loop",
    "serve/start": "kernel/test_shared.py: servers found, started and outlived",
    "serve/turn": "serve/test_shared_model.py: texts in turns, and those that join the rows",
    "cli/serve": "kernel/test_shared.py: it is one of the commands",
    "protocol/distribution": "results/test_trace.py: the distribution of a step",
    "protocol/folder": "session/test_inside.py: every kind of question is found in the folder",
    "protocol/probe": "engine/test_probe.py: the checks of a model",
    "engine/weights/round_weights": "engine/test_probe.py: a model that loses much by its rounding",
    "sources/adapters": "engine/weights/test_adapter.py: a base model and its adapter",
    "engine/weights/probe_file": "engine/test_load.py: a stored result costs no second probe",
    "render/probe": "cli/test_main.py: doctor prints it",
    "protocol/question": "session/test_known_answers.py: a narrower question has its answer from a broader one",
    "protocol/questions/": "session/test_known_answers.py: each kind narrows",
    "render/finding": "render/test_findings.py: what the views of findings share",
    "render/findings/": "render/test_findings.py: a view of each",
    "engine/kernels/atomics": _INT8,
    "engine/kernels/attention": _INT8,
    "engine/kernels/decode_step": _INT8,
    "engine/kernels/kv_convert": "engine/kernels/test_kv_numbers.py: bytes of a cache, against compiled code",
    "engine/kernels/number_rows": "engine/kernels/test_kv_numbers.py: products with rows of every kind",
    "engine/kernels/kv_forms": "engine/kernels/test_kv_numbers.py: numbers of every form",
    "engine/kernels/layer_ops": _INT8,
    "engine/kernels/llvm_vectors": "engine/kernels/test_dot.py: the instructions, against numpy",
    "engine/kernels/block_kinds": "engine/kernels/test_pack_blocks.py: every kind of block becomes tiles",
    "engine/kernels/gguf_blocks": "engine/kernels/test_pack_blocks.py: every kind of block, against gguf's reader",
    "engine/kernels/kinds": "engine/kernels/test_pack_blocks.py: tiles of every kind",
    "engine/kernels/tile_reader": "engine/kernels/test_pack_blocks.py: products with tiles of every kind",
    "engine/kernels/matmat": "engine/kernels/test_matvec.py: many vectors give what each gives alone",
    "engine/kernels/prefill": _INT8,
    "engine/kernels/round_vectors": "engine/kernels/test_matvec.py: the vectors of every product are rounded by it",
    "engine/kernels/sample": "engine/decoding/test_sampler.py: the kernel's choice, against transformers' processors",
    "engine/kernels/sample_row": "engine/decoding/test_sampler.py: the settings that the kernel reads",
    "engine/kernels/symbols": "engine/kernels/test_dot.py: a kernel that is linked runs",
    "engine/kernels/thread_team": "engine/runners/test_thread_pacing.py: threads wake, share and sleep",
    "engine/runners/int8_rows": "engine/decoding/test_batch.py: rows of int8, against each alone",
    "engine/runners/padded_rows": "engine/decoding/test_batch.py: padded rows, against each alone",
    "engine/text/encode": "engine/test_local.py: windows, forced ids and prompts that are refused",
    "engine/weights/int8_forms": "engine/test_plan.py: which int8 form a model can have, and why not",
    "engine/weights/gguf/config": _GGUF,
    "engine/weights/gguf/families/": _GGUF,
    "engine/weights/gguf/fields": _GGUF,
    "engine/weights/gguf/header_files": "engine/weights/gguf/test_convert.py: config, tokenizer, sampling and digest",
    "engine/weights/gguf/wide": "engine/weights/gguf/test_straight.py: numbers, against those of the conversion",
    "engine/weights/gguf/names": _GGUF,
    "engine/weights/gguf/pre_tokenizers": "engine/weights/gguf/test_tokenizer.py: the words of each",
    "engine/weights/gguf/read": "engine/weights/gguf/test_convert.py: every number is what the file says",
    "engine/weights/gguf/steps": _GGUF,
    "engine/weights/gguf/transformers_reader": "engine/weights/gguf/test_older.py: files of the kinds it is for",
    "engine/weights/gguf/vocabulary": "engine/weights/gguf/test_tokenizer.py: the vocabulary of a header",
    "engine/weights/layer_names": "engine/weights/test_layer_shape.py: every family in it, against transformers",
    "engine/weights/layer_tensors": "engine/weights/test_layer_shape.py: the order of rows shows in the logits",
    "engine/weights/rope_table": "engine/weights/test_layer_shape.py: angles of every family show in the logits",
    "engine/weights/pack_any": "engine/weights/test_int8_modules.py: models packed and run",
    "engine/weights/pack_llama": "engine/runners/test_int8.py: models packed and run",
    "engine/weights/quantize": "engine/weights/gguf/test_convert.py: numbers before and after",
    "engine/weights/safetensors_file": "engine/weights/gguf/test_convert.py: files written and read by safetensors",
    "frames/fill": "frames/test_complete_frame.py: its one caller",
    "frames/ray_actor": "frames/test_on_ray.py: the actors of a real cluster",
    "frames/row_cache": "frames/test_complete_frame.py: results kept and found again",
    "notebook/first_line": "notebook/test_magics.py: a magic below other lines",
    "protocol/front_end": "kernel/test_console.py: a terminal with jupyter console in it",
    "notebook/model_magics": "notebook/test_magics.py: models, conversations and tasks",
    "notebook/output_options": "notebook/test_magics.py: what -o binds, and notebook/test_new_cell.py",
    "notebook/raw_cell": "notebook/test_magics.py: a cell's text as it was typed",
    "notebook/status_line": "notebook/test_screen.py: the line under a screen",
    "prompt/variables/tables/": "prompt/variables/tables/test_tables.py: all tables at once, against the libraries",
    "prompt/tasks/task": "prompt/tasks/test_parse.py: a task is what a file was parsed to",
    "protocol/doors": "test_house.py: every door is opened and leads somewhere",
    "protocol/engine": "engine/echo/test_engine.py: the contract, kept by the smallest engine",
    "protocol/events": "results/test_completion.py: events folded to completions",
    "protocol/machine": "session/test_model_list.py: what fits on a machine",
    "protocol/phrases": "notebook/test_screen.py: counts and sizes in the lines that users read",
    "protocol/prompt_parts": "prompt/test_compose.py: the parts are composed there",
    "protocol/views": "render/test_findings.py: a value displays itself",
    "render/blocks": "render/test_findings.py: every view of the inside is made of blocks",
    "render/comparison": "engine/test_branching.py: two completions side by side",
    "render/stations": "results/test_trace.py: a trace displayed",
    "render/trace": "results/test_trace.py: a trace displayed",
    "render/views": "render/test_findings.py: each value with its view",
    "results/comparison": "engine/test_branching.py: two completions compared",
    "results/draft": "results/test_completion.py: a completion in the making",
    "results/token_bytes": "engine/text/test_tokenizer.py: the bytes of every token of four tokenizers",
    "session/status": "notebook/test_magics.py: what %complete_model says",
    "widgets/inside_data": "widgets/test_inside.py: what a page is sent",
    "widgets/front_end_cell": "widgets/test_document.py: whose document it is",
    "widgets/inside_view": "widgets/test_inside.py: the widget around the data",
    "widgets/latest_only": "widgets/test_inside.py: of many questions the last is answered",
    "widgets/models": "browser/test_panels.py: models loaded and unloaded by clicks",
    "widgets/panel_state": "widgets/test_panel.py: what stands in the panel",
    "widgets/streaming": "widgets/test_panel.py: a text that grows in a page",
    "widgets/transformer": "widgets/test_inside.py: the part with the layers",
}


def test_files() -> list[str]:
    """Every test file, as its path in tests/."""
    return sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))


def test_of(module: str) -> str:
    """The test file that has a module's name."""
    path = PurePosixPath(module)
    return (path.parent / f"test_{path.name}.py").as_posix()


def module_of(test: str) -> str:
    """The module whose name a test file has."""
    path = PurePosixPath(test)
    return (path.parent / path.stem.removeprefix("test_")).as_posix()


def entry(module: str) -> str:
    """The line of UNTESTED for a module: its own, or that of its folder."""
    folder = f"{PurePosixPath(module).parent}/"
    return folder if folder in UNTESTED else module


def has_code(module: str) -> bool:
    """Whether there is more in a module than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in house.tree(module).body)
