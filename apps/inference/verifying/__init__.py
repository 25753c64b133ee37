"""Whether a version answers as it should, on which engines, and how fast."""
