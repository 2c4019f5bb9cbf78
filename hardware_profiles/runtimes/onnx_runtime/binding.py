"""onnxruntime through its Python package: the only module that knows it.

A session holds a model and one sequence. States are bound to one buffer before and after the tokens, which
their kernels write in place, so that nothing is copied: keys and values have room for the whole context from
the start. Feeding the prompt's last token at its position again overwrites its slot; a recurrence goes on.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from genomes import InvalidInput
from hardware_profiles import this_machine

PACKAGES = ("onnx", "onnxruntime")
INSTALL = "pip install archsearch[onnxruntime]"
TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
ERRORS_ONLY = 3
"""Log severity. A warning that a table is an input (`Graph.embed`) would stand in every answer."""


def require_package(name: str) -> Any:
    """The package. Raises `InvalidInput` saying how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InvalidInput(
            f"the runtime onnxruntime needs the package {name} ({error}); install it with {INSTALL}"
        ) from None


def versions() -> dict[str, str]:
    """Of the runtime and of what writes its files."""
    for name in PACKAGES:
        require_package(name)
    return {name: version(name) for name in reversed(PACKAGES)}


def threads() -> int:
    """Cores that this process may use, each counted once: onnxruntime's own choice where it may use all."""
    usable = this_machine().cores
    return min(usable, psutil.cpu_count(logical=False) or usable)


def session_options() -> dict[str, Any]:
    """What a session is opened with; all else is onnxruntime's default, its arena and its fusions too.

    A memory pattern takes memory of its own for each number of tokens that comes again; it is meant for
    inputs of one shape (`OrtApi::EnableMemPattern`), and prompts differ in length.
    """
    return {
        "intra_op_num_threads": threads(),
        "inter_op_num_threads": 1,
        "enable_mem_pattern": False,
        "log_severity_level": ERRORS_ONLY,
    }


class Session:
    """A model file, loaded into memory, and one sequence of `context` pseudo-random tokens, or those given.

    The file is one of `model.write_onnx`. Raises `RuntimeError` with onnxruntime's own words where it cannot
    load or run it.
    """

    def __init__(
        self,
        path: Path | str,
        context: int,
        prefill_chunk: int = 512,
        tokens: Sequence[int] | None = None,
    ) -> None:
        self._ort = require_package("onnxruntime")
        options = self._ort.SessionOptions()
        for name, value in session_options().items():
            setattr(options, name, value)
        self._session = self._guarded(
            lambda: self._ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        )
        logits = self._session.get_outputs()[0]
        vocabulary, self._all = int(logits.shape[-1]), logits.shape[1] != 1
        drawn = np.random.default_rng(0).integers(0, vocabulary, context)
        self._tokens = np.asarray(drawn if tokens is None else tokens, np.int64)
        self._vocabulary = vocabulary
        self._states = self._empty(context)
        firsts = range(0, context, prefill_chunk)
        self._prompt = [
            self._bound(self._states, first, min(first + prefill_chunk, context)) for first in firsts
        ]
        self._again = self._bound(self._states, context - 1, context)
        self._last = self._prompt[-1]

    def clear(self) -> None:
        """Forget everything: recurrences start from zeros, keys and values are not looked at."""
        for name, value in self._states.items():
            if not _grows(self._shapes[name]):
                value.update_inplace(np.zeros(value.shape(), TYPES[value.data_type()]))

    def prefill(self) -> None:
        """Read the prompt from position 0; the logits of its last token."""
        for piece in self._prompt:
            self._run(piece)
        self._last = self._prompt[-1]

    def decode(self) -> None:
        """The prompt's last token once more, at the last position; its logits."""
        self._run(self._again)
        self._last = self._again

    def go_on(self) -> None:
        """As `decode`."""
        self.decode()

    def step_back(self) -> None:
        """Nothing is in the way: `decode` stands at one position."""

    def read(self, first: int, last: int) -> np.ndarray:
        """Tokens of the prompt from `first` to `last` (left out); their logits, `T V` or the last one's."""
        self._last = self._bound(self._states, first, last)
        self._run(self._last)
        return self.logits()

    def at_depth(self, depth: int) -> Callable[[], None]:
        """Decodes a token at another depth, with states of its own, which hold nothing but zeros."""
        bound = self._bound(self._empty(depth), depth - 1, depth)
        return lambda: self._run(bound)

    def logits(self) -> np.ndarray:
        """What was given last; `V`, or `T V` where the model gives those of all tokens."""
        found: np.ndarray = self._last.get_outputs()[0].numpy()[0]
        return found if self._all else found[0]

    def close(self) -> None:
        """Give the memory back."""
        for name in ("_prompt", "_again", "_last", "_states", "_session"):
            delattr(self, name)

    @property
    def _shapes(self) -> dict[str, list[int | str]]:
        """Of each state, by the rest of its name after `past.`."""
        return {
            found.name.removeprefix("past."): found.shape
            for found in self._session.get_inputs()
            if found.name.startswith("past.")
        }

    def _empty(self, context: int) -> dict[str, Any]:
        """States of zeros with room for so many tokens."""
        inputs = [found for found in self._session.get_inputs() if found.name.startswith("past.")]
        kinds = {found.name: TYPES[found.type] for found in inputs}
        sizes: dict[int | str, int] = {"batch": 1, "slots": context}
        return {
            name: self._ort.OrtValue.ortvalue_from_numpy(
                np.zeros([sizes.get(n) or int(n) for n in shape], kinds[f"past.{name}"])
            )
            for name, shape in self._shapes.items()
        }

    def _bound(self, states: dict[str, Any], first: int, last: int) -> Any:
        """Tokens from `first` to `last` (left out), bound to these states."""
        value = self._ort.OrtValue
        binding = self._session.io_binding()
        tokens = self._tokens[min(first, len(self._tokens) - 1) :][: last - first]
        binding.bind_ortvalue_input("tokens", value.ortvalue_from_numpy(tokens[None]))
        binding.bind_ortvalue_input("position", value.ortvalue_from_numpy(np.array(first, np.int32)))
        room = (1, last - first if self._all else 1, self._vocabulary)
        binding.bind_ortvalue_output("logits", value.ortvalue_from_shape_and_type(room, np.float32))
        for name, state in states.items():
            binding.bind_ortvalue_input(f"past.{name}", state)
            binding.bind_ortvalue_output(f"present.{name}", state)
        return binding

    def _run(self, binding: Any) -> None:
        self._guarded(lambda: self._session.run_with_iobinding(binding))

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """What a call gives; onnxruntime has an exception class for each status."""
        try:
            return call()
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            said = str(error).splitlines()[0]
            raise RuntimeError(f"onnxruntime could not run the model: {said}") from None


def _grows(shape: Sequence[int | str]) -> bool:
    return "slots" in shape
