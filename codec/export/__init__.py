"""The codec in the formats of others: ONNX with a runner that needs no torch, ``torch.export``, Hugging Face folders."""
