"""Other codecs behind this project's interface: neural ones with their published weights, classical ones as programs."""
