"""The runtimes that models are measured with: jax, llama.cpp, onnxruntime."""
