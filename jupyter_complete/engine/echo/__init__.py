"""An engine without weights that repeats the words of its prompt, for tests of what stands above an engine.

Register it as you register a model. Every verb and magic works with it, and torch is not imported:

    import jupyter_complete as jc
    from jupyter_complete.engine.echo import EchoModel, EchoTokenizer

    jc.register("echo", EchoModel(), EchoTokenizer())
    done = jc.complete("The mean", model="echo", temperature=0, max_new_tokens=4)
    assert done.text == " The"

Its tokens are bytes and some common words. Token n of a completion is most likely token n of the prompt's words, which
are repeated without end. sampler.py states the logits of all tokens. `results.replay` samples them, so temperature,
top_p, seeds, candidates, scores and traces mean what they mean for every model. Beam n begins with the token that is
n-th in likelihood, and echoes on. A regex or a JSON schema does not lead the text: the completion says whether the text
meets it. `EchoModel` says how to make a text end, a token take time and a request fail.
"""

from .engine import EchoEngine, EchoModel
from .vocabulary import EchoTokenizer

__all__ = ["EchoEngine", "EchoModel", "EchoTokenizer"]
