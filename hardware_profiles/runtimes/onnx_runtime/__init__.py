"""onnxruntime as a runtime to measure with: an architecture is written as ONNX and run on the CPU.

`graph` and `weights` are what a model is written with, `operators` the blocks, `model` the whole; `binding`
is the one module that knows the runtime (`pip install archsearch[onnxruntime]`); `measuring` and
`calibrating` are the programs of fresh processes. Nothing here needs jax.
"""
