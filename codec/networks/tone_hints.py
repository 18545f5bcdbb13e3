"""One tone by single tokens: what is left of tones where the two tokens that tell them exactly are not sent.

Where a sound is tones, the first acoustic token has 7 bits that no voice needs. Tokens take turns: one tells in which of 64
cells the stronger tone's frequency lies, the next where in that cell, and how loud it is. So two tokens tell a steady tone. A
decoder asks the tokens beside one for what that one does not tell, and need not know its place in the stream.
"""

from __future__ import annotations

import torch
from torch import Tensor

from codec.networks.tones import N_LEVELS

CELLS, PARTS = 64, 8
"""Of the range of frequencies, and of a cell: as fine as tokens that tell tones exactly."""
STEPS_DOWN = (0, 1, 2, 3, 4, 5, 7, 10)
"""Levels that can be told, in steps of `codec.networks.tones.LEVEL_STEP_DB` below full scale."""
HINTS = CELLS + PARTS * len(STEPS_DOWN)
"""Codes, those of cells first."""
ASSUMED_DOWN = 3
NO_DETAIL = PARTS * ASSUMED_DOWN + PARTS // 2
"""Where no token beside a cell's tells more: the middle of the cell, 15 dB below full scale."""
SPARE = 0.03
"""Of a tone's strength, what may be lost of the token beside it."""
NEAR_ASSUMED = 2
"""Steps of level by which a tone of a single token may be off, to be told as one."""


def tells_hints(codebook_size: int, tone_codes: int) -> bool:
    """Whether a codebook of this size has room for hints of tones that have so many codes."""
    return codebook_size == HINTS and tone_codes == CELLS * PARTS * N_LEVELS


def partnered(codes: Tensor, is_tone: Tensor, power: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """A lone tone takes the other token of its pair along, where little else sounds: two tell what one cannot.

    Pairs are an even token, which tells a cell, and the odd one behind it, which tells the rest.

    Args:
        codes: ``(B, N_TONES, N)`` as `codec.networks.tones.tone_codes` gives them, from an even token of the stream on.
        is_tone: ``(B, N)`` bool.
        power: ``(B, N)`` of tones, as `codec.networks.tones.strengths` gives it.
        rest: ``(B, N)`` of everything else, likewise.

    Returns:
        Which tokens are tones now, and their codes; the one that was taken along is as loud as it is.
    """
    count = codes.shape[2]
    index = torch.arange(count, device=codes.device)
    other = index + 1 - 2 * (index % 2)
    there, other = other < count, other.clamp(max=count - 1)
    lone = is_tone & ~_before(is_tone) & ~_after(is_tone)
    joins = ~is_tone & lone[:, other] & there & (rest <= SPARE * power[:, other])
    own, told = _strongest(codes), _strongest(codes)[:, other]
    level = torch.where((own // N_LEVELS - told // N_LEVELS).abs() <= 1, own % N_LEVELS, 0)
    place = told // N_LEVELS * N_LEVELS
    taken = torch.stack([place + level, place], 1)
    return is_tone | joins, torch.where(joins[:, None], taken, codes)


def _strongest(codes: Tensor) -> Tensor:
    """``(B, N_TONES, N)`` → codes ``(B, N)`` of the louder tone."""
    levels = codes % N_LEVELS
    return torch.where(levels[:, 1] > levels[:, 0], codes[:, 1], codes[:, 0])


def tellable(codes: Tensor, is_tone: Tensor) -> Tensor:
    """Which tones ``(B, N)`` single tokens can tell: two beside each other, or a cell that is about as loud as is assumed.

    Any other lone tone would be heard far too loud, or not at all, and is better told as what it is beside its tone.

    Args:
        codes: ``(B, N_TONES, N)`` as `codec.networks.tones.tone_codes` gives them, from an even token of the stream on.
        is_tone: ``(B, N)`` bool.

    Example:
        >>> loud, faint = 500 * N_LEVELS + 12, 500 * N_LEVELS + 4
        >>> tellable(torch.tensor([[[loud, 0, faint, 0, faint, faint]] * 2]), torch.tensor([[True, False] * 2 + [True] * 2]))
        tensor([[ True, False, False, False,  True,  True]])
    """
    down = N_LEVELS - 1 - (codes % N_LEVELS).amax(1)
    even = torch.arange(codes.shape[2], device=codes.device) % 2 == 0
    alone = even & ((down - ASSUMED_DOWN).abs() <= NEAR_ASSUMED)
    return is_tone & (_before(is_tone) | _after(is_tone) | alone)


def hints(codes: Tensor, is_tone: Tensor) -> Tensor:
    """What the first acoustic tokens tell of tones.

    Args:
        codes: ``(B, N_TONES, N)`` as `codec.networks.tones.tone_codes` gives them, from an even token of the stream on.
        is_tone: ``(B, N)`` bool.

    Returns:
        ``(B, N)`` int64, 0 … `HINTS` − 1.
    """
    code = _strongest(codes)
    own, level = code // N_LEVELS, code % N_LEVELS
    louder = _before(level * is_tone)
    level = torch.where(louder > level + 1, louder, level)  # of two, as a lone tone and what it took along
    # A detail belongs to the cell of the token before it, lest a tone at a cell's border jumps to its other end. Where another
    # note begins there, the one before goes on: the new one's detail in the old one's cell would be a third note.
    before = torch.where(_before(is_tone), _before(own), own)
    cell = before // PARTS
    place = torch.where((own - before).abs() < PARTS, own, before)
    part = (place - PARTS * cell).clamp(0, PARTS - 1)
    down = torch.tensor(STEPS_DOWN, device=codes.device)
    loudness = ((N_LEVELS - 1 - level)[..., None] - down).abs().argmin(-1)
    odd = torch.arange(codes.shape[2], device=codes.device) % 2 == 1
    return torch.where(odd, CELLS + PARTS * loudness + part, own // PARTS)


def hinted(hint: Tensor, is_tone: Tensor) -> tuple[Tensor, Tensor]:
    """What `hints` gave → which tokens ``(B, N)`` are tones that can be drawn, and their codes ``(B, N_TONES, N)``.

    Args:
        hint: ``(B, N)``, looked at where ``is_tone``.
        is_tone: ``(B, N)`` bool.

    Example:
        >>> tone = torch.tensor([[True, True]])
        >>> code = torch.tensor([[[8 * (3 * 8 + 5) * 2 + 15] * 2] * 2])
        >>> hinted(hints(code, tone), tone)[1][0, 0] // 16
        tensor([29, 29])
    """
    is_cell, is_detail = is_tone & (hint < CELLS), is_tone & (hint >= CELLS)
    cell = torch.where(is_cell, hint, torch.where(_before(is_cell), _before(hint), _after(hint)))
    detail = torch.where(is_detail, hint, torch.where(_after(is_detail), _after(hint), _before(hint))) - CELLS
    detail = torch.where(is_detail | _after(is_detail) | _before(is_detail), detail, NO_DETAIL).clamp(0, HINTS - CELLS - 1)
    down = torch.tensor(STEPS_DOWN, device=hint.device)[detail // PARTS]
    code = (PARTS * cell + detail % PARTS) * N_LEVELS + N_LEVELS - 1 - down
    drawn = is_cell | (is_detail & (_before(is_cell) | _after(is_cell)))
    code = torch.where(drawn, code, 0)
    return drawn, torch.stack([code, code // N_LEVELS * N_LEVELS], 1)  # the second tone is silent


def _before(values: Tensor) -> Tensor:
    """``(B, N)`` of the token before; the first one has none."""
    return torch.cat([torch.zeros_like(values[:, :1]), values[:, :-1]], 1)


def _after(values: Tensor) -> Tensor:
    """``(B, N)`` of the token behind; the last one has none."""
    return torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
