"""One colour and one marker for every codec, in every plot and on every page: Okabe and Ito's palette, and more like it."""

from __future__ import annotations

import hashlib

from eval.outlines import outline

OURS = "#0072B2"
GREY = "#777777"
SIGN = 4.5
"""Half the width of a marker beside a name."""
FAMILIES = {
    "semcodec": OURS,
    "codec2": "#D55E00",
    "opus": "#009E73",
    "speex": "#CC79A7",
    "mp3": "#E69F00",
    "amrwb": "#56B4E9",
    "encodec_24khz": "#7B3294",
    "encodec_48khz": "#7B3294",
    "dac_16khz": "#8C510A",
    "dac_24khz": "#8C510A",
    "dac_44khz": "#8C510A",
    "mimi": "#B2182B",
    "snac_24khz": "#01665E",
    "speechtokenizer": "#C51B7D",
    "xcodec2": "#4D9221",
    "original": GREY,
    "noise": GREY,
}
MARKERS = {
    **{"semcodec": "o", "codec2": "^", "opus": "s", "speex": "D", "mp3": "v", "amrwb": "P", "mimi": "*", "xcodec2": "8"},
    **{"encodec_24khz": "X", "encodec_48khz": "d", "dac_16khz": "h", "dac_24khz": "H", "dac_44khz": "p"},
    **{"snac_24khz": "<", "speechtokenizer": ">", "original": "_", "noise": "_"},
}
OTHERS = ("#A6761D", "#666666", "#1B9E77", "#E7298A", "#66A61E", "#7570B3")


def colour_of(codec: str) -> str:
    """The colour of a codec's family, whatever its operating point; an unknown name always gets the same one.

    Example:
        >>> colour_of("semcodec@50,vocab=32768"), colour_of("codec2@450"), colour_of("mine") == colour_of("mine@2")
        ('#0072B2', '#D55E00', True)
    """
    family = _family(codec)
    return FAMILIES.get(family, OTHERS[_place(family) % len(OTHERS)])


def marker_of(codec: str) -> str:
    """Matplotlib's, of a codec's family likewise.

    Example:
        >>> marker_of("opus@6"), marker_of("mine") == marker_of("mine@2")
        ('s', True)
    """
    family = _family(codec)
    markers = sorted(set(MARKERS.values()) - {"o", "_"})
    return MARKERS.get(family, markers[_place(family) // len(OTHERS) % len(markers)])


def path_of(codec: str, radius: float) -> str:
    """A codec's marker as a path of SVG, around 0, 0.

    Example:
        >>> path_of("codec2@450", 2.0)
        'M0.0 -2.0L-2.0 2.0L2.0 2.0Z'
    """
    corners = "L".join(f"{radius * x:.1f} {radius * y:.1f}" for x, y in outline(marker_of(codec)))
    return f"M{corners}Z"


def sign_of(codec: str) -> dict[str, str]:
    """A codec's colour and marker, 9 wide, for a script to draw.

    Example:
        >>> sign_of("codec2@450")
        {'colour': '#D55E00', 'path': 'M0.0 -4.5L-4.5 4.5L4.5 4.5Z'}
    """
    return {"colour": colour_of(codec), "path": path_of(codec, SIGN)}


def svg_of(codec: str) -> str:
    """The same as an element of a page, which stands before the codec's name. Nothing in it is the name's own."""
    drawn = sign_of(codec)
    path = f'<path d="{drawn["path"]}" fill="{drawn["colour"]}" stroke="{drawn["colour"]}"></path>'
    return f'<svg class="sign" viewBox="-6.5 -6.5 13 13" aria-hidden="true">{path}</svg>'


def _family(codec: str) -> str:
    name = codec.partition("@")[0]
    return name if name.startswith(("hf:", "peer:")) else name.partition(":")[0]  # these are told apart by what follows


def _place(family: str) -> int:
    return int(hashlib.sha256(family.encode()).hexdigest(), 16)
