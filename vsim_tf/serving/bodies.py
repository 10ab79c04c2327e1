"""JSON bodies of requests and responses: what a model reads, within limits. They are the schemas of /openapi.json."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    confloat,
    conint,
    conlist,
    constr,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from vsim_tf.inference.given import ASR, FRAMES, ID, OCR, PICTURES, TITLE, VIDEO
from vsim_tf.serving.limits import Limits

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

LISTS, ARRAY = "[lists]", "[array]"
"""Tags of the two forms of frames, which pydantic puts into the places of errors."""
MAX_TOP = 1000
LARGEST = 65504
"""Of float16, which frames are rounded to."""
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Base64: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$", json_schema_extra={"contentEncoding": "base64"})]


class Body(BaseModel):
    """An object with known keys, whose values are of their types and not converted to them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        unknown = [key for key in given if key not in cls.model_fields] if isinstance(given, dict) else []
        if unknown:
            files = " (the server opens no files)" if {VIDEO, PICTURES} & set(unknown) else ""
            known = {"unknown": ", ".join(map(repr, unknown[:5])) + files, "accepted": ", ".join(map(repr, cls.model_fields))}
            raise PydanticCustomError("unknown_key", "unknown keys {unknown}; accepted are {accepted}", known)
        return given


class Array(Body):
    """Frames as the bytes of an array: rows one after the other, little-endian, in base64."""

    data: Base64
    shape: tuple[int, int]
    dtype: Literal["float16", "float32"]


class Form(Body):
    """How embeddings are given, as by `Model.encode`."""

    normalize: bool = Field(False, description="scale to unit norm")
    truncate_dim: int | None = Field(None, ge=1, description="so many of the first numbers")
    precision: Literal["float32", "int8", "binary"] = "float32"
    ranges: list[list[Number]] | None = Field(None, description="of int8: smallest and largest number of each dimension")


class Requests(NamedTuple):
    """Bodies of requests to one model."""

    embed: type[BaseModel]
    similarity: type[BaseModel]
    search: type[BaseModel]
    predict: type[BaseModel]


def requests_of(model: "Model", limits: Limits) -> Requests:
    """The bodies that a model reads, with its feature dimension and the limits in their schemas."""
    videos = (conlist(_video(model, limits), min_length=1, max_length=limits.max_videos), ...)
    top: Any = Annotated[int, Field(ge=1, le=MAX_TOP, description="neighbours of each video")]
    return Requests(
        create_model("EmbedRequest", __base__=Form, videos=videos),
        create_model("SimilarityRequest", __base__=Body, a=videos, b=videos),
        create_model("SearchRequest", __base__=Body, videos=videos, top=(top, 10)),
        create_model("PredictRequest", __base__=Body, videos=videos),
    )


def _video(model: "Model", limits: Limits) -> type[BaseModel]:
    """A video: features where the model reads them, and files of pictures where it has a tower."""
    text: Any = constr(max_length=limits.max_text)
    fields: dict[str, Any] = {ID: (str | None, None), TITLE: (text, ...), OCR: (text, ""), ASR: (text, "")}
    reads_pictures = not model.frame_dim or model.tower is not None
    missing = None if model.frame_dim and reads_pictures else ...
    if model.frame_dim:
        fields[FRAMES] = (_frames(model.frame_dim, limits.max_frames), missing)
    if reads_pictures:
        fields[PICTURES] = (conlist(Base64, max_length=limits.max_frames), missing)
    return create_model("Video", __base__=Body, **fields)


def _frames(dim: int, max_frames: int) -> Any:
    """Features as lists of numbers, or as an array."""
    frame: Any = conlist(confloat(ge=-LARGEST, le=LARGEST, allow_inf_nan=False), min_length=dim, max_length=dim)
    lists: Any = conlist(frame, max_length=max_frames)
    count: Any = conint(ge=0, le=max_frames)
    width: Any = conint(ge=dim, le=dim)
    shape: Any = Annotated[tuple[count, width], Field(strict=False)]  # JSON has lists
    array: Any = create_model("Array", __base__=Array, shape=(shape, ...))
    return Annotated[Annotated[lists, Tag(LISTS)] | Annotated[array, Tag(ARRAY)], Discriminator(_form_of)]


def _form_of(frames: Any) -> str:
    return ARRAY if isinstance(frames, dict | Array) else LISTS


class Embedded(BaseModel):
    """A list for each video, in their order."""

    embeddings: list[list[float]]


class Similarities(BaseModel):
    """The cosine of each video of `a` with that of `b` at the same place."""

    similarities: list[float]


class Neighbour(BaseModel):
    """A video of the index; its title is null where it is not known."""

    id: str
    title: str | None
    similarity: float


class Found(BaseModel):
    """The most similar videos of each video, by falling cosine."""

    neighbours: list[list[Neighbour]]


class Predicted(BaseModel):
    """The class of each video, and the probabilities of all classes."""

    categories: list[str]
    probabilities: list[list[float]]
    classes: list[str]


class Health(BaseModel):
    """A server that is ready, and its model."""

    status: Literal["ready"]
    version: str
    model: str
    dim: int
    frame_dim: int
    classes: int
    index: int | None
    waiting: int


class Problem(BaseModel):
    """What was given, what is accepted, and where."""

    detail: str
