"""Audio in and out: files of all formats, raw samples, and arrays that callers hand over."""
