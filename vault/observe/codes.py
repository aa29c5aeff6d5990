"""The stable codes of errors in the source, as `Code` takes them over; a test collects them anew and compares.

Codes whose first part is the name of an argument are made at run time and are not here.
"""

from __future__ import annotations

from typing import Final

_WORDS: Final = """
alias.count approval.missing approval.self archive.ahead archive.behind archive.damaged archive.details
archive.entry archive.foreign archive.forked audit.action audit.canonical audit.changed audit.checkpoint
audit.consistency audit.detail audit.entry_malformed audit.field audit.forked audit.frontier audit.gap
audit.holds audit.inclusion audit.index audit.kept audit.key audit.note audit.opening audit.result
audit.rolled_back audit.root audit.salt audit.size audit.syntax audit.time audit.unwritable audit.vkey
backup.damaged backup.foreign backup.format backup.kind backup.none backup.place backup.sealed backup.tenant
backup.to backup.which blind.length bulk.configuration bulk.workers case.changed certificate.evidence
certificate.form certificate.refused certificate.state config.invalid config.missing config.newer
config.syntax config.unreadable content.blocked content.count content.empty content.field content.message
content.role content.type crypto.argon2_parameters crypto.block_length crypto.context crypto.header
crypto.key_length crypto.lthash_state crypto.salt_length cursor.form cursor.invalid cursor.log data.asq
data.columns data.empty data.encoding data.gzip data.json data.length data.line data.record data.span data.tab
data.text demo.folder detection.measured detection.none detection.samples detector.budget detector.failed
detector.integrity detector.missing detector.span detector.timeout detector.worker egress.address
egress.broken egress.ca egress.plain egress.redirect egress.reply egress.size egress.status egress.timeout
egress.tls egress.unreachable embedder.answer embedder.changed embedder.extra embedder.finite embedder.format
embedder.incomplete embedder.integrity embedder.key_form embedder.key_missing embedder.key_permissions
embedder.manifest embedder.missing embedder.run entity.unknown erase.busy evidence.options expires_at.past
expires_at.range expires_at.type export.busy export.partial file.exists file.length file.missing file.place
file.unreadable filters.depth filters.empty filters.key filters.operator filters.scope filters.size
filters.type filters.value format.unknown format.value ground.unknown hold.in_force hold.too_late hold.unknown
idempotency.mismatch idempotency_key.form import.form import.size index.api_key_missing
index.api_key_permissions index.ca index.differs index.dimension index.empty index.extra index.layout
index.left index.model index.rerank index.stuck index.unavailable index.unconfigured index.vacuum index.vector
infer.unsupported item.field item.type items.type json.syntax json.type key.absent key.argon2_memory
key.argon2_missing key.closed key.form key.present keys.backup_inside keys.backup_none keys.both
keys.destroy_failed keys.epoch_ambiguous keys.epoch_missing keys.epoch_raced keys.exists keys.extra_missing
keys.file_foreign keys.file_missing keys.file_unreadable keys.inside keys.level keys.mark_damaged
keys.module_missing keys.module_unusable keys.not_destroyed keys.passphrase_missing
keys.passphrase_permissions keys.passphrase_wrong keys.permissions keys.pin keys.pin_last_try keys.pin_locked
keys.pin_missing keys.pin_permissions keys.pin_unset keys.provider_slow keys.token_ambiguous keys.token_failed
keys.token_full keys.token_missing keys.token_readonly keys.token_unsuitable keystore.damaged keystore.epoch
keystore.exists keystore.key_mismatch keystore.key_missing keystore.missing keystore.newer keystore.older
keystore.retired line.field line.length line.text line.type memory.changed memory.unknown memory_ids.type
metadata.control metadata.depth metadata.key metadata.length metadata.number metadata.size metadata.system
metadata.type metadata.unicode metadata.value models.broken models.fetch models.missing models.name
models.place models.runtime on_error.value order.value otel.extra otel.header_form otel.header_missing
otel.header_permissions out.exists out.folder out.inside path.form policy.conflict policy.coverage
policy.denied policy.engine policy.extends policy.file policy.measure policy.missing policy.operator
policy.purpose policy.recall policy.relaxed policy.rule policy.schema policy.size policy.telemetry
policy.unknown policy.yaml presidio.missing presidio.recognisers principal.missing principal.roles
principal.type probe.failed purpose.type quota.people reason.missing record.too_large record.unreadable
records.block records.changed records.damaged records.foreign records.missing records.newer report.place
request.changed request.nothing request.state request.unknown reranker.type restore.detail restore.forked
restore.note restore.other restore.unfinished resume.cursor resume.stream review.form review.type scope.bound
scope.control scope.empty scope.length scope.lines scope.missing scope.one scope.type scope.unicode
scope.wildcard signature.invalid since.range since.type storage.empty storage.exists storage.failed
storage.full storage.handles storage.io storage.locked storage.missing storage.permission storage.plaintext
storage.readonly storage.unencrypted storage.unreadable subject.no_alias subject.same subject.taken
subject.unknown telemetry.body telemetry.extra telemetry.key_form telemetry.key_missing
telemetry.key_permissions telemetry.off tenant.exists tenant.missing tenant.reserved tenant.unknown
text.control text.empty text.encoding text.length text.twice text.type text.unicode threshold.range time.form
to.exists to.folder to.form to.inside to.log to.partial type.unknown update.empty value.short vault.closed
vault.exists vault.forked write.part
"""
CODES: Final = tuple(_WORDS.split())
