"""``codec sweep``: rate and distortion of many codecs on the same clips, as tables, plots and a page to listen to.

Along the way of the figures: `run` (what is measured), `write` (what is left behind), `points` (names and lines), `plots`,
`tables`, `listening` and `report` (the page), `paper` (published figures).
"""
