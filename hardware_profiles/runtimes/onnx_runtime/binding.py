"""onnxruntime through its Python package: the only module that knows it.

A session holds a model and one sequence. States are bound to one buffer before and after the tokens, which
their kernels write in place, so that nothing is copied: keys and values have room for the whole context from
the start. Feeding the prompt's last token at its position again overwrites its slot; a recurrence goes on.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from genomes import InvalidInput
from hardware_profiles.runtimes.base import usable_threads

PACKAGES = ("onnx", "onnxruntime")
INSTALL = "pip install '.[onnxruntime]' in a clone of archsearch"
TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
PROCESS_OPTIONS = ("intra_op_num_threads", "inter_op_num_threads")
"""Options of the threads that all sessions of a process share."""
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
    """Versions of the runtime and of what writes its files."""
    for name in PACKAGES:
        require_package(name)
    return {name: version(name) for name in reversed(PACKAGES)}


def threads() -> int:
    """Cores that this process may use, each counted once: onnxruntime's own choice where it may use all."""
    usable = usable_threads()
    return min(usable, psutil.cpu_count(logical=False) or usable)


def session_options() -> dict[str, Any]:
    """What a session is opened with; all else is onnxruntime's default, its arena and its fusions too.

    The threads are those of the process (`share_threads`), since models that take turns would wait for each
    other's, which go on spinning after a token.
    A memory pattern takes memory of its own for each number of tokens that comes again; it is meant for
    inputs of one shape (`OrtApi::EnableMemPattern`), and prompts differ in length.
    """
    return {
        "intra_op_num_threads": threads(),
        "inter_op_num_threads": 1,
        "enable_mem_pattern": False,
        "log_severity_level": ERRORS_ONLY,
    }


@cache
def share_threads() -> None:
    """Start the threads that all sessions of this process compute on, if they are not there."""
    require_package("onnxruntime").set_global_thread_pool_sizes(threads(), 1)


class OnnxRuntimeSession:
    """A model file, loaded into memory, and one sequence of `context` pseudo-random tokens, or of `tokens`.

    The file is one of `model.write_onnx`. A `folder` is removed when the session is closed. Raises
    `RuntimeError` with onnxruntime's own words where it cannot load or run the file.
    """

    def __init__(
        self,
        path: Path | str,
        context: int,
        prefill_chunk: int = 512,
        tokens: Sequence[int] | None = None,
        folder: "TemporaryDirectory[str] | None" = None,
    ) -> None:
        self._ort = require_package("onnxruntime")
        self._path, self._folder, self._sizes = Path(path), folder, (context, prefill_chunk)
        share_threads()
        options = self._ort.SessionOptions()
        for name, value in session_options().items():
            if name not in PROCESS_OPTIONS:
                setattr(options, name, value)
        options.use_per_session_threads = False
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
        """Read the prompt from position 0; gives the logits of its last token."""
        for piece in self._prompt:
            self._run(piece)
        self._last = self._prompt[-1]

    def decode(self) -> None:
        """Read the prompt's last token once more, at the last position; gives its logits."""
        self._run(self._again)
        self._last = self._again

    def go_on(self) -> None:
        """Read the prompt's last token once more, as `decode` does."""
        self.decode()

    def step_back(self) -> None:
        """Do nothing: `decode` stands at one position."""

    def read(self, first: int, last: int) -> np.ndarray:
        """Read tokens of the prompt from `first` to `last` (left out); gives their logits, `T V`, or those of
        the last one, `1 V`."""
        self._last = self._bound(self._states, first, last)
        self._run(self._last)
        return self._outputs()

    def at_depth(self, depth: int) -> Callable[[], None]:
        """Make a step that decodes a token at another depth, with states of its own that hold zeros."""
        bound = self._bound(self._empty(depth), depth - 1, depth)

        def decode() -> None:
            self._run(bound)
            self._last = bound

        return decode

    def logits(self) -> np.ndarray:
        """Return those of the last token that was read; `1 V`."""
        return self._outputs()[-1:]

    def copy(self) -> "OnnxRuntimeSession":
        """Load a copy of the file, and take over the states.

        Sessions of one file would share its pages, where onnxruntime maps weights into memory.
        """
        folder = TemporaryDirectory(prefix="archsearch-")
        copytree(self._path.parent, folder.name, dirs_exist_ok=True)
        path = Path(folder.name) / self._path.name
        other = OnnxRuntimeSession(path, *self._sizes, self._tokens.tolist(), folder)
        for name, state in other._states.items():
            state.update_inplace(self._states[name].numpy())
        return other

    def close(self) -> None:
        """Give the memory back."""
        for name in ("_prompt", "_again", "_last", "_states", "_session"):
            delattr(self, name)
        if self._folder is not None:
            self._folder.cleanup()

    def _outputs(self) -> np.ndarray:
        """Logits of the last run; `T V`, or `1 V` where the model gives those of the last token."""
        logits: np.ndarray = self._last.get_outputs()[0].numpy()[0]
        return logits

    @property
    def _shapes(self) -> dict[str, list[int | str]]:
        """Shapes of the states, by what follows `past.` in their names."""
        return {
            state.name.removeprefix("past."): state.shape
            for state in self._session.get_inputs()
            if state.name.startswith("past.")
        }

    def _empty(self, context: int) -> dict[str, Any]:
        """States of zeros with room for so many tokens."""
        inputs = [each for each in self._session.get_inputs() if each.name.startswith("past.")]
        kinds = {each.name: TYPES[each.type] for each in inputs}
        sizes: dict[int | str, int] = {"batch": 1, "slots": context}
        return {
            name: self._ort.OrtValue.ortvalue_from_numpy(
                np.zeros([sizes.get(n) or int(n) for n in shape], kinds[f"past.{name}"])
            )
            for name, shape in self._shapes.items()
        }

    def _bound(self, states: dict[str, Any], first: int, last: int) -> Any:
        """Tokens from `first` to `last` (left out), bound to states."""
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
            cause = str(error).splitlines()[0]
            raise RuntimeError(f"onnxruntime could not run the model: {cause}") from None


def _grows(shape: Sequence[int | str]) -> bool:
    return "slots" in shape
