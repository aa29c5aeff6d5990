"""Vectors of the model in force, and what an embedder may read.

Each tenant's store names the model whose vectors are searched; a `reembed` changes the name in one transaction. Whoever
embeds outside a transaction asks inside it whether the model is still the same. An embedder behind an address is
given what today's detector and pack leave of a text, a question included, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vault.embedding.interface import FIRST_IDENTITY, Embedder, identity, model_id
from vault.flows.additions import Embedded
from vault.flows.bodies import Body
from vault.flows.redact import Material, preview, redactor, settled
from vault.flows.tokens import TokenMap
from vault.keys.keyring import SubjectKeys
from vault.observe.calls import stage
from vault.observe.words import Stage
from vault.records.interface import RecordStore

if TYPE_CHECKING:
    from vault.flows.context import Call


def named_in_force(records: RecordStore) -> str:
    """The identity of the embedder whose vectors are searched in this store."""
    return records.embedder() or FIRST_IDENTITY


def model_in_force(records: RecordStore) -> bytes:
    return model_id(named_in_force(records))


def embedder_in_force(call: Call) -> Embedder:
    """Raises ConfigError where the configuration does not have the embedder of the tenant's memories."""
    named, configured = named_in_force(call.records), call.stages.embedder()
    return configured if identity(configured) == named else call.stages.embedder_named(named)


def embed(call: Call, texts: Sequence[str]) -> list[Embedded]:
    """The vectors of redacted texts, by the model in force."""
    return embed_by(embedder_in_force(call), texts)


def embed_by(embedder: Embedder, texts: Sequence[str]) -> list[Embedded]:
    model = model_id(identity(embedder))
    with stage(Stage.EMBED):
        vectors = embedder.embed(texts)
    return [Embedded(text, model, vector) for text, vector in zip(texts, vectors, strict=True)]


def embed_question(call: Call, question: str) -> Embedded:
    """The vector of a question, which is redacted like a memory where it leaves this process."""
    embedder = embedder_in_force(call)
    if embedder.address is not None:
        question = preview(redactor(call.stages).draft(Material(question)))
    return embed_by(embedder, [question])[0]


def still(call: Call, made: Sequence[Embedded]) -> list[Embedded]:
    """Inside a transaction: the same, or redacted texts embedded again where the model was changed meanwhile."""
    model = model_in_force(call.records)
    if all(one.model == model for one in made):
        return list(made)
    return embed(call, [one.text for one in made])


def embed_stored(
    call: Call, embedder: Embedder, subject: SubjectKeys, s: int, bodies: Sequence[Body]
) -> list[Embedded]:
    """The vectors of stored memories of one subject: of their redacted text."""
    texts = [body.text for body in bodies]
    if embedder.address is not None:
        tokens = TokenMap(call.tenant, subject, call.records, s)
        drafts = redactor(call.stages).drafts([[_material(body, tokens)] for body in bodies])
        texts = [preview(draft) for draft in drafts]
    return embed_by(embedder, texts)


def _material(body: Body, tokens: TokenMap) -> Material:
    stored = settled(body.text, body.metadata) if body.shifted else None
    return Material(body.text, own=tokens.known, settled=stored)
