"""The drivers of measurements: measure, calibrate, validate; each measurement runs in a fresh process."""
