"""How far results can be believed: the finalists, measured on their devices."""
