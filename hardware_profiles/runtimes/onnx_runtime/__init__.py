"""onnxruntime as a runtime to measure with: an architecture is written as ONNX and run on the CPU.

`graph` is what a model is written with, `operators` the blocks, `model` the whole; `binding` is the one
module that knows the runtime (`pip install '.[onnxruntime]'`), `stacks` says what it is calibrated by,
`runtime` is what a measuring process needs of it. Nothing here needs jax.
"""
