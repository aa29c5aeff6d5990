"""What the files of a pack may say, as frozen models: every key is known, every other key is a load error.

`policies/schemas/` holds the same as JSON Schema.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from vault.policy.decide import OnFailure, Operator, Trigger

# The version of this rule language, apart from the package's: it grows when a key or its meaning is added.
ENGINE: Final = (0, 4, 0)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Entity = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
ClassOrEntity = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9-]{0,63}|[A-Z][A-Z0-9_]{0,63})$")]
ControlId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}(\.[a-z0-9-]{1,16}){1,8}$")]
Version = Annotated[
    str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$")
]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
ActionPattern = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z]+\.(\*|[a-z_]+))$")]
Recall = Annotated[float, Field(gt=0, le=1)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Others = Annotated[int, Field(ge=0, le=3)]
People = Annotated[int, Field(ge=1, le=10_000)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Change(_File):
    """One entry of the pack's change log."""

    version: Version
    text: Line


class PackFile(_File):
    """pack.yaml: who the pack is, what it extends, and what it does not do."""

    id: Name = Field(description="the pack's name; the folder has the same")
    version: Version = Field(description="semantic version of the pack")
    title: Line
    min_engine: Version = Field(description="the oldest version of the rule language that reads this pack")
    extends: tuple[Name, ...] = Field(default=(), max_length=8, description="packs this one tightens")
    jurisdictions: tuple[Name, ...] = Field(default=(), description="where it is meant to be used")
    disclaimer: Text = Field(description="what the pack is not")
    not_covered: tuple[Text, ...] = Field(default=(), description="what nobody should expect of it")
    controls: dict[ControlId, Line] = Field(default_factory=dict, description="control id to its title")
    changes: tuple[Change, ...] = ()


class DataClassEntry(_File):
    """A group of entity classes."""

    title: Line
    sensitivity: int = Field(
        ge=0, le=4, description="0 public, 1 internal, 2 personal, 3 sensitive, 4 secret"
    )
    entities: tuple[Entity, ...] = Field(min_length=1)
    kept: Line | None = Field(default=None, description="why its values may stay as written, where they do")
    controls: tuple[ControlId, ...] = ()


class TaxonomyFile(_File):
    """taxonomy.yaml: data classes, and the entity classes a detector reports in each."""

    classes: dict[Name, DataClassEntry] = Field(min_length=1)


class WaiverEntry(_File):
    """An entity class that the vault may run without detecting as surely as the pack asks."""

    entity: Entity
    reason: Text
    expires: date = Field(description='the last day it holds, at most a year ahead; quoted: "2027-01-31"')
    approved_by: Line


class DetectionFile(_File):
    """detection.yaml: what must be detected, how surely, and what becomes of it."""

    threshold: float | None = Field(default=None, ge=0, le=1, description="findings below it are ignored")
    default_operator: Operator | None = Field(default=None, description="for entity classes not listed")
    required: tuple[Entity, ...] = Field(default=(), description="without a detector for these: no start")
    operators: dict[Entity, Operator] = Field(default_factory=dict)
    strict: bool | None = Field(
        default=None, description="detectors trade precision for recall and ask for a second vote"
    )
    on_failure: OnFailure | None = Field(
        default=None,
        description="when a text cannot be examined: refuse the write, or store a marker in place of the whole field",
    )
    floors: dict[Entity, Recall] = Field(
        default_factory=dict, description="measured recall under which the vault does not start"
    )
    waivers: tuple[WaiverEntry, ...] = Field(
        default=(), max_length=64, description="dated exceptions from `required` and `floors`; not inherited"
    )


class Purpose(_File):
    """Why data may be used."""

    title: Line
    controls: tuple[ControlId, ...] = ()


class PurposesFile(_File):
    """purposes.yaml: the closed vocabulary of purposes."""

    purposes: dict[Name, Purpose] = Field(min_length=1)


class Role(_File):
    """Who may act."""

    title: Line


class AccessRule(_File):
    """One permit or forbid. A permit names purposes and roles; a forbid without them applies to all."""

    id: Name
    effect: Literal["permit", "forbid"]
    actions: tuple[ActionPattern, ...] = Field(min_length=1, description="`memory.*` is every memory action")
    purposes: tuple[Name, ...] = ()
    roles: tuple[Name, ...] = ()
    classes: tuple[ClassOrEntity, ...] = Field(default=(), description="for memory.reveal alone")
    controls: tuple[ControlId, ...] = ()
    why: Text


class AccessFile(_File):
    """access.yaml: the closed vocabulary of roles, and the rules."""

    roles: dict[Name, Role] = Field(default_factory=dict)
    people_at_once: People | None = Field(
        default=None, description="one subject.search looks into the memories of so many people at the most"
    )
    rules: tuple[AccessRule, ...] = ()


class RetentionRule(_File):
    """How long a kind of record stays: at least `min_days`, at most `max_days`."""

    id: Name
    record: Literal["memory", "history", "audit"]
    min_days: Days | None = Field(default=None, description="no retention removes it before")
    max_days: Days | None = Field(default=None, description="what is as old is removed")
    trigger: Trigger | None = Field(
        default=None, description="what max_days counts from; `created`, the stricter, where not set"
    )
    action: Literal["erase"] = Field(default="erase", description="what becomes of a record that is too old")
    controls: tuple[ControlId, ...] = ()
    why: Text


class RetentionFile(_File):
    """retention.yaml: periods per kind of record."""

    rules: tuple[RetentionRule, ...] = ()


class ErasureEntry(_File):
    """What an erasure of a person, or of a part of what is held about one, has to wait for."""

    approvals: Others | None = Field(
        default=None, description="so many other principals approve the preview before it runs"
    )
    approval_hours: Annotated[int, Field(ge=1, le=720)] | None = Field(
        default=None, description="an approval older than this no longer counts, whatever it is for"
    )
    roll_within_hours: Annotated[int, Field(ge=0, le=24)] | None = Field(
        default=None, description="so soon after it backups no longer open; 0 is at once"
    )
    controls: tuple[ControlId, ...] = ()
    why: Text | None = None


class ApprovalsEntry(_File):
    """How many others have to agree."""

    approvals: Others | None = Field(default=None, description="so many other principals approve it first")
    controls: tuple[ControlId, ...] = ()
    why: Text | None = None


class Ground(_File):
    """A reason that an erasure may name; `title` may be left out where an extended pack has it."""

    title: Line | None = None
    controls: tuple[ControlId, ...] = ()


class RightsFile(_File):
    """rights.yaml: what erasures and the release of holds wait for, and the closed vocabulary of grounds."""

    erasure: ErasureEntry = Field(default_factory=ErasureEntry)
    tenant_erasure: ApprovalsEntry = Field(default_factory=ApprovalsEntry)
    hold_release: ApprovalsEntry = Field(default_factory=ApprovalsEntry)
    grounds: dict[ControlId, Ground] | None = Field(
        default=None, description="an extending pack lists those that stay"
    )


class TelemetryFile(_File):
    """telemetry.yaml: whether counts of calls may leave, where configuration and operator say so too."""

    allowed: bool | None = Field(default=None, description="`false`: telemetry is off, whatever else says on")
    approvals: Others | None = Field(
        default=None, description="so many other principals have to switch it on too"
    )
    controls: tuple[ControlId, ...] = ()
    why: Text | None = None


class TextCase(_File):
    """A text made up for the test: entity classes that must be found in it, and that must not."""

    id: Name
    text: Text
    expect: tuple[Entity, ...] = ()
    absent: tuple[Entity, ...] = ()


class RequestCase(_File):
    """A request, and the decision it must get."""

    id: Name
    action: Line
    purpose: Line
    roles: tuple[Line, ...]
    classes: tuple[Entity, ...] = ()
    expect: Literal["permit", "deny"]
    rule: Name | None = None
    reveals: tuple[ClassOrEntity, ...] | None = Field(default=None, description="exactly these are shown")
    masks: tuple[ClassOrEntity, ...] = Field(default=(), description="none of these is shown")


class OperatorCase(_File):
    """An entity class, and what must become of it."""

    id: Name
    entity: Entity
    operator: Operator


class RightsCase(_File):
    """A number of rights.yaml, and what it must be."""

    id: Name
    key: Literal[
        "erasure.approvals",
        "erasure.approval_hours",
        "erasure.roll_within_hours",
        "tenant_erasure.approvals",
        "hold_release.approvals",
    ]
    expect: int


class NumberCase(_File):
    """A number of access.yaml, and what it must be."""

    id: Name
    key: Literal["people_at_once"]
    expect: int


class GroundCase(_File):
    """A ground, and whether an erasure may name it."""

    id: Name
    ground: ControlId
    expect: Literal["known", "unknown"]


class TestsFile(_File):
    """tests/*.yaml: what the pack promises, checked by `memvault policy test`."""

    __test__ = False  # not a test class, whatever its name

    texts: tuple[TextCase, ...] = ()
    requests: tuple[RequestCase, ...] = ()
    operators: tuple[OperatorCase, ...] = ()
    rights: tuple[RightsCase, ...] = ()
    grounds: tuple[GroundCase, ...] = ()
    numbers: tuple[NumberCase, ...] = ()


FILES: Final[dict[str, type[BaseModel]]] = {
    "pack": PackFile,
    "taxonomy": TaxonomyFile,
    "detection": DetectionFile,
    "purposes": PurposesFile,
    "access": AccessFile,
    "retention": RetentionFile,
    "rights": RightsFile,
    "telemetry": TelemetryFile,
    "tests": TestsFile,
}
# Named by the format, enforced by no engine of this version: a pack that needs them needs a newer engine.
RESERVED: Final = frozenset({"disclosure", "approvals", "crypto", "controls"})
