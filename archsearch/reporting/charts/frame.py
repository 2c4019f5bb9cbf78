"""Where a chart with two axes lies in its picture, in pixels."""

WIDTH, HEIGHT = 480.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 470.0, 40.0, 330.0
"""The ends of the axes."""
