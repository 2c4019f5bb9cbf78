"""llama.cpp as a runtime to measure with: what it can load is written as GGUF and run through a binding.

`classes` says which architectures llama.cpp runs, `tensors` and `gguf` write them, `binding` is the one
module that knows the binding (`pip install '.[llama-cpp]'`), `stacks` says what it is calibrated by,
`runtime` is what a measuring process needs of it. Nothing here needs jax.
"""
