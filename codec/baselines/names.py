"""Names with bitrate knobs: ``family[:folder][@value,key=value,word]``."""

from __future__ import annotations

from dataclasses import dataclass, field

from codec.errors import CodecError


@dataclass(frozen=True)
class CodecName:
    """A codec at an operating point, as it was asked for.

    Attributes:
        text: all of it.
        family: ``encodec_24khz`` in ``encodec_24khz@1.5``.
        folder: of a model, after a colon.
        values: words without a key, in order.
        options: words with one.

    Example:
        >>> name = parse("semcodec:my/model@50,vocab=32768,semantic")
        >>> name.family, name.folder, name.values, name.options
        ('semcodec', 'my/model', ('50', 'semantic'), {'vocab': '32768'})
    """

    text: str
    family: str
    folder: str | None = None
    values: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)

    def refuse(self, what: str) -> CodecError:
        """An error about this name."""
        return CodecError(f"codec {self.text!r}: {what}")

    def only(self, values: int, *options: str) -> None:
        """Refuses knobs that a codec does not have.

        Raises:
            CodecError: more than ``values`` words, other options, or a folder.
        """
        strange = [*self.values[values:], *(f"{key}=" for key in self.options if key not in options)]
        if self.folder is not None:
            strange.insert(0, f":{self.folder}")
        if strange:
            raise self.refuse(f"does not know {strange[0]!r}")

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """An option between two bounds.

        Raises:
            CodecError: outside them, or not an integer.
        """
        text = self.options.get(key, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise self.refuse(f"{key} must be between {low} and {high}")
        return int(text)

    def choice(self, allowed: tuple[str, ...]) -> str:
        """The first word, which must be one of these.

        Raises:
            CodecError: it is missing or another one.
        """
        if not self.values or self.values[0] not in allowed:
            raise self.refuse(f"write {self.family}@ and one of {', '.join(allowed)}")
        return self.values[0]


def parse(text: str) -> CodecName:
    """Takes a name apart.

    Raises:
        CodecError: an empty part, or a key given twice.
    """
    front, at, back = text.rpartition("@") if "@" in text else (text, "", "")
    family, colon, folder = front.partition(":")
    words = back.split(",") if at else []
    options: dict[str, str] = {}
    values = []
    for word in words:
        key, equals, value = word.partition("=")
        if not key or (equals and (not value or key in options)):
            raise CodecError(f"codec {text!r}: cannot make sense of {back!r}; write encodec_24khz@1.5, dac_16khz@n=2, …")
        if equals:
            options[key] = value
        else:
            values.append(word)
    if colon and not folder:
        raise CodecError(f"codec {text!r}: no folder after the colon")
    return CodecName(text, family, folder if colon else None, tuple(values), options)
