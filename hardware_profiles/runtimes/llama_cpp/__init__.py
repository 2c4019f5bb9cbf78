"""llama.cpp as a runtime to measure with: what it can load is written as GGUF and run through a binding.

`classes` says which architectures llama.cpp runs, `tensors` and `gguf` write them, `binding` is the one
module that knows the binding (`pip install archsearch[llama-cpp]`), `measuring` and `calibrating` are the
programs of fresh processes. Nothing here needs jax.
"""
