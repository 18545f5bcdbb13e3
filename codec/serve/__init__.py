"""The codec as an HTTP and WebSocket service: ``codec serve``."""
