"""Other codecs' architectures, trained on our audio for as many processor hours as ours had: opponents that are fair.

``python -m train.peers encodec_24khz --corpus runs/nano/corpus -o runs/peers/encodec --minutes 360`` goes on where it stopped,
and writes ``peer.json`` and ``model.safetensors``; sweeps, exams and probes know them as ``peer:runs/peers/encodec``. Minutes
are the processor's. ``--minutes 0`` writes random weights: tables refuse them, probes mark them.
"""
