"""llama.cpp through its Python binding: the only module that knows `cyllama`.

A session holds a model and one sequence. It decodes a token at the prompt's depth again and again: where the
memory of the model lets the last token be taken back, as that of attention does, it stands at the prompt's
last position each time. A recurrence cannot take a token back: there, tokens go on behind the prompt, and
after `ROOM` of them the state that the prompt left is put back.
"""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from genomes import InvalidInput
from hardware_profiles.runtimes.base import usable_threads

PACKAGE = "cyllama"
PACKAGES = (PACKAGE, "gguf")
INSTALL = "pip install '.[llama-cpp]' in a clone of archsearch"
ROOM = 32
"""Tokens that may go on behind a prompt."""

_GGML_TYPES = {"float32": 0, "float16": 1, "int8": 8}
"""Numbers of `enum ggml_type` of `ggml.h`: F32, F16, Q8_0."""
CACHE_TYPES = tuple(_GGML_TYPES)
"""Types of keys and values; states of recurrences are float32."""
_OFF, _ON = 0, 1
_ERROR = 4
"""A level of `enum ggml_log_level`."""


def require_binding() -> Any:
    """The binding. Raises `InvalidInput` saying how to install it."""
    try:
        from cyllama.llama import llama_cpp
    except ImportError as error:
        raise InvalidInput(
            f"the runtime llama.cpp needs the package {PACKAGE} ({error}); install it with {INSTALL}"
        ) from None
    return llama_cpp


def versions() -> dict[str, str]:
    """Versions of llama.cpp (its build), of ggml and of the binding."""
    llama_cpp = require_binding()
    from cyllama._internal import build_config

    return {
        "llama.cpp": str(build_config.versions().get("llama_cpp_version", "unknown")),
        "ggml": str(llama_cpp.ggml_version()),
        PACKAGE: version(PACKAGE),
    }


class LlamaCppSession:
    """A model file, loaded into memory, and one sequence of `context` pseudo-random tokens, or of `tokens`.

    `cache` is what keys and values are stored in; states of recurrences are float32 in llama.cpp. Flash
    attention is off for a float32 cache, which it would read in float16, and on for others, as is llama.cpp's
    default. A `folder` is removed when the session is closed. Raises `RuntimeError` with llama.cpp's own
    words where it cannot load the file.
    """

    def __init__(
        self,
        path: Path | str,
        context: int,
        prefill_chunk: int = 512,
        cache: str = "float32",
        tokens: Sequence[int] | None = None,
        folder: "TemporaryDirectory[str] | None" = None,
    ) -> None:
        llama_cpp = require_binding()
        self._folder = folder
        self._another = partial(LlamaCppSession, path, context, prefill_chunk, cache, tokens)
        self._errors: list[str] = []
        llama_cpp.set_log_callback(self._log)
        loading, running = llama_cpp.LlamaModelParams(), llama_cpp.LlamaContextParams()
        loading.use_mmap = False
        loading.n_gpu_layers = 0
        running.n_ctx = context + ROOM
        running.n_batch = running.n_ubatch = min(prefill_chunk, context)
        running.n_threads = running.n_threads_batch = usable_threads()
        running.type_k = running.type_v = _GGML_TYPES[cache]
        running.flash_attn_type = _OFF if cache == "float32" else _ON
        # The binding asks its model for `n_vocab`, which it lacks.
        model_class = type(
            "Model", (llama_cpp.LlamaModel,), {"n_vocab": property(lambda m: m.get_vocab().n_vocab)}
        )
        try:
            self._model = model_class(str(path), loading, verbose=False)
            self._context = llama_cpp.LlamaContext(self._model, running, verbose=False)
        except (RuntimeError, ValueError, MemoryError) as error:
            cause = "; ".join(self._errors) or str(error)
            raise RuntimeError(f"llama.cpp could not load the model: {cause}") from None
        finally:
            llama_cpp.disable_logging()  # or it would call into Python when Python is gone
        self._fill(llama_cpp, context, prefill_chunk, tokens)
        self._left: bytes | None = None
        self._behind = 0

    def _fill(self, llama_cpp: Any, context: int, prefill_chunk: int, tokens: Sequence[int] | None) -> None:
        """Prepare what is decoded: the prompt in chunks, and one token at each place behind it."""
        vocabulary = self._model.get_vocab().n_vocab
        drawn = np.random.default_rng(0).integers(0, vocabulary, context).tolist()
        prompt = list(drawn if tokens is None else tokens)

        def batch(positions: range, logits: bool) -> Any:
            made = llama_cpp.LlamaBatch(n_tokens=len(positions), embd=0, n_seq_max=1)
            for position in positions:
                token = prompt[min(position, context - 1)]
                made.add(token, position, [0], logits and position == positions[-1])
            return made

        firsts = range(0, context, prefill_chunk)
        chunks = [range(first, min(first + prefill_chunk, context)) for first in firsts]
        self._prompt = [batch(chunk, logits=chunk[-1] == context - 1) for chunk in chunks]
        self._again = batch(range(context - 1, context), logits=True)
        self._on = [batch(range(context + n, context + n + 1), logits=True) for n in range(ROOM)]
        self._last = context - 1

    def clear(self) -> None:
        """Forget everything."""
        self._context.kv_cache_clear(False)
        self._left = None

    def prefill(self) -> None:
        """Read the prompt, into a memory that is clear; gives the logits of its last token."""
        for chunk in self._prompt:
            self._context.decode(chunk)

    def go_on(self) -> None:
        """Read one token behind the prompt; gives its logits."""
        self._context.decode(self._on[0])

    def step_back(self) -> None:
        """Make room for the token that `decode` reads; the prompt must have been read."""
        if self._left is None:
            if self._context.memory_seq_rm(0, self._last, -1):
                return
            self._left, self._behind = self._context.get_state_seq_data(0), 0
        elif self._behind == ROOM:
            self._context.kv_cache_clear(False)
            self._context.set_state_seq_data(self._left, 0)
            self._behind = 0

    def decode(self) -> None:
        """Read one token at the prompt's depth; gives its logits."""
        if self._left is None:
            self._context.decode(self._again)
        else:
            self._context.decode(self._on[self._behind])
            self._behind += 1

    def at_depth(self, depth: int) -> Callable[[], None]:
        """Raise `InvalidInput`: a token has its depth from those that were read before it."""
        raise InvalidInput(f"depth = {depth}; llama.cpp is measured at one depth, that of the context")

    def logits(self) -> np.ndarray:
        """Return those of the last token that was read; `1 V`."""
        return np.array(self._context.get_logits(), np.float32)[None]

    def copy(self) -> "LlamaCppSession":
        """Load the file once more, and take over what the prompt left, which must just have been read."""
        other = self._another()
        other._context.set_state_seq_data(self._context.get_state_seq_data(0), 0)
        return other

    def close(self) -> None:
        """Give the memory back."""
        self._context.close()
        self._model.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _log(self, level: int, text: str) -> None:
        if level == _ERROR:
            self._errors.append(text.strip())
