"""What a newcomer looks for by the field's word is found in a file whose path has that word, and holds it."""

from __future__ import annotations

import re

import house

# What is looked for, the word that is searched in the paths, the file, and what in it holds the thing.
THINGS = """
    the sampler                         sampler         engine/decoding/sampler             Sampler
    the sampling rule                   sampling        protocol/sampling                   Sampling
    the compiled sampler                sample          engine/kernels/sample               choose
    the decoding loop                   decoding        engine/decoding/loop                decode
    beam search                         beam_search     engine/decoding/beam_search         search
    constrained decoding                grammar         engine/decoding/grammar             Constraints
    prompt lookup, guessed tokens       lookup          engine/decoding/prompt_lookup       Lookup
    batches                             batch           engine/decoding/batch               Batch
    the KV cache of the compiled step   kv_cache        engine/kernels/kv_cache             KVCache
    the cache of prefixes               prefix_cache    engine/runners/prefix_cache         PrefixCache
    the prefill pass                    prefill         engine/kernels/prefill              read
    the decode step                     decode_step     engine/kernels/decode_step          run
    attention                           attention       engine/kernels/attention            attention
    matrix times vector                 matvec          engine/kernels/matvec               Matrix
    the threads of the kernels          thread          engine/kernels/thread_team          Team
    the cache of compiled code          cache           engine/kernels/disk_cache           compiled
    CUDA graphs                         cuda_graph      engine/runners/cuda_graph           Recordings
    the int8 runner                     int8            engine/runners/int8                 Int8Runner
    the tokenizer                       tokenizer       engine/text/tokenizer               Vocabulary
    stop strings                        stop            engine/text/text_stream             StopMatcher
    GGUF conversion                     gguf            engine/weights/gguf/convert         convert
    quantization                        quantiz         engine/weights/quantize             four_bits
    safetensors files                   safetensors     engine/weights/safetensors_file     SafetensorsWriter
    loading a model                     load            engine/load                         open_engine
    memory that is free                 memory          engine/machine/memory               free_bytes
    limits of a container               cgroup          engine/machine/cgroup               memory_left
    attention weights, by hooks         hooks           engine/inside/attention_hooks       watched
    a trace                             trace           results/trace                       Trace
    perplexity                          perplexity      results/measures                    perplexity
    replay under other settings         replay          results/replay                      pick
    a completion                        completion      results/completion                  Completion
    download from the hub               hub             sources/hub                         download
    the model catalogue                 catalog         sources/catalog                     Source
    HTML escaping                       html            render/html                         escape
    the progress bar                    progress        render/progress                     Progress
    token probabilities as a view       tokens          render/tokens                       TokensView
    the worker thread                   worker          session/worker                      Worker
    resident models                     resident        session/residents                   Models
    the magics                          magics          notebook/magics                     CompleteMagics
    argument parsing                    argument        notebook/arguments                  Parser
    templates of rows                   template        frames/template                     Template
    the cache of rows                   row_cache       frames/row_cache                    RowCache
    variables in a prompt               variables       prompt/variables/fill               fill
    JSON schemas                        schema          prompt/schema                       json_schema
    options and their defaults          config          protocol/config                     Complete
    error classes                       errors          protocol/errors                     CompleteError
"""


def test_what_a_newcomer_looks_for_is_found_by_its_name() -> None:
    things = [re.split(r"  +", line.strip()) for line in THINGS.strip().splitlines()]
    assert len(things) == 46
    found = [what for what, word, module, symbol in things if word in module and holds(module, symbol)]
    assert len(found) >= 43, [what for what, *_ in things if what not in found]


def holds(module: str, symbol: str) -> bool:
    """Whether a function, class or method of that name is in a module."""
    path = house.PACKAGE / f"{module}.py"
    return path.is_file() and bool(re.search(rf"^ *(def|class) {symbol}\b", path.read_text(encoding="utf-8"), re.M))
