"""Inside a measuring process: sessions of loaded models, sampling, memory, drift of the machine."""
