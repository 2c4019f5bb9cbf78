"""Training proxies: the program of training steps, trials and their files, scoring, checkpoints."""
