"""Inputs and outputs of an exported model, and the file that says them, export.json. TensorFlow is not needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from vsim_tf.errors import UserError
from vsim_tf.inference.linear_member import LinearMember
from vsim_tf.io.paths import EXPORT, TOKENIZER
from vsim_tf.runs.run_folder import write_json
from vsim_tf.text.tokenizers import Tokenizer

if TYPE_CHECKING:
    from vsim_tf.inference.member import Member
    from vsim_tf.inference.model import Model

FORMAT, VERSION = "vsim_tf export", 1
INPUT_IDS, ATTENTION_MASK, FRAMES, NUM_FRAMES = "input_ids", "attention_mask", "frames", "num_frames"
EMBEDDING, PROBABILITIES = "embedding", "probabilities"


class TextEncoding(NamedTuple):
    """How a text becomes tokens.

    Attributes:
        tokenizer: cuts it.
        max_length, form: those of `TextInput`.
    """

    tokenizer: Tokenizer
    max_length: int
    form: str

    @property
    def key(self) -> tuple[Any, ...]:
        """What equal encodings have in common."""
        return self.tokenizer.kind, self.tokenizer.fingerprint, self.tokenizer.normalization, self.max_length, self.form


def networks_of(model: "Model") -> "list[Member]":
    """The members of a model; `UserError` where one is a linear model, whose text is characters, which no graph here reads."""
    networks = [member for member in model.members if not isinstance(member, LinearMember)]
    if others := [member.name for member in model.members if isinstance(member, LinearMember)]:
        raise UserError(
            f"{model.name}: {', '.join(others)} counts characters of titles, which a graph cannot; make an ensemble without"
            " it to export (docs/serving.md)"
        )
    return networks


class Interface(NamedTuple):
    """Inputs and output of an exported model.

    Attributes:
        texts: encodings of texts, each of which is two inputs; members that share one read the same inputs.
        of_members: which encoding each member reads, by its place.
        frame_dim: feature dimension.
        output: `EMBEDDING` or `PROBABILITIES`.
        width: numbers of the output.
        classes: ids of the classes.
    """

    texts: tuple[TextEncoding, ...]
    of_members: tuple[int, ...]
    frame_dim: int
    output: str
    width: int
    classes: tuple[str, ...]

    @classmethod
    def of(cls, model: "Model") -> Self:
        """The interface of a model.

        Raises:
            UserError: it reads pictures, or has a linear model.
        """
        networks = networks_of(model)
        if reading := [member.config.name for member in networks if member.config.tower]:
            raise UserError(f"{model.name}: {', '.join(reading)} read pictures; models that read features can be exported")
        found: dict[tuple[Any, ...], TextEncoding] = {}
        keys = []
        for member in networks:
            encoding = TextEncoding(member.format.tokenizer, member.config.text.max_length, member.config.text.form)
            found.setdefault(encoding.key, encoding)
            keys.append(encoding.key)
        places = tuple([*found].index(key) for key in keys)
        output, width = (PROBABILITIES, len(model.classes)) if model.classes else (EMBEDDING, model.dim)
        return cls(tuple(found.values()), places, model.frame_dim, output, width, model.classes)

    def names(self, place: int) -> tuple[str, str]:
        """Names of the inputs of a text encoding: token ids, and attention mask."""
        return self._numbered(INPUT_IDS, place), self._numbered(ATTENTION_MASK, place)

    def _numbered(self, name: str, place: int) -> str:
        return name if len(self.texts) == 1 else f"{name}_{place}"

    def write(self, folder: Path, kind: str, verified: Mapping[str, Any] | None = None) -> None:
        """Writes the vocabularies and export.json into a folder, with the result of the verification once there is one."""
        texts = []
        for place, (tokenizer, max_length, form) in enumerate(self.texts):
            name = self._numbered(TOKENIZER, place)
            tokenizer.save(folder / name)
            ids, mask = self.names(place)
            inputs = {INPUT_IDS: ids, ATTENTION_MASK: mask}
            texts.append({**inputs, "tokenizer": name, "kind": tokenizer.kind, "max_length": max_length, "form": form})
        content = {
            "format": FORMAT, "version": VERSION, "kind": kind, "texts": texts, FRAMES: {"dim": self.frame_dim},
            "output": {"name": self.output, "dim": self.width}, "classes": list(self.classes),
        }  # fmt: skip
        write_json(folder / EXPORT, content | ({"verified": dict(verified)} if verified else {}))
