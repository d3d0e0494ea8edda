"""What is read: corpora with their versions and uploads; of runs, their corpora as they counted them, and what a filter
run found in each of its splits; models that runs can start from; and the wordings that people write for them.

A corpus is a name, a licence and a source; its files are those of a version. Only `corpora.services`,
`corpora.uploads` and `corpora.fetched` change versions and uploads. A version is checked once and does not change after
that.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models

from rpt_web.jobs.models import Job
from rpt_web.runs.models import Run
from rpt_web.teams.audit import audited
from rpt_web.teams.models import Team

DELETE = "delete_corpus"
"""The kind of job that deletes a corpus, or a version of it."""


@audited("team", "name", "licence", "source", "created_by")
class Corpus(models.Model):
    """Texts that belong together, with what is known of where they come from."""

    team = models.ForeignKey("teams.Team", on_delete=models.PROTECT, related_name="corpora")
    name = models.CharField(max_length=200)
    licence = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=500, blank=True)
    """Where it comes from: an address, a book, a person."""
    notes = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "corpora"

    def __str__(self) -> str:
        return self.name


@audited("corpus", "number", "path", "address", "checked_at", "created_by")
class CorpusVersion(models.Model):
    """The files of a corpus at one time, and which of their fields hold what."""

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    path = models.TextField(blank=True)
    """A file or folder outside, below a folder that may be read; empty where the files were uploaded or fetched."""
    address = models.TextField(blank=True)
    """Where its files are fetched from, which the first job that reads it does; empty for others."""
    fetched_at = models.DateTimeField(null=True, blank=True)
    """When all files of the address were there."""
    preview = models.JSONField(default=dict, blank=True)
    """What `workers.corpora` has seen of the first records; empty until it has looked."""
    mapping = models.JSONField(default=dict, blank=True)
    """As `FieldMapping` has it; empty until it was chosen."""
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    """The newest look at it or check of it, or its deletion."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    checked_at = models.DateTimeField(null=True, blank=True)
    """When a check had read all of it: from then on it is fixed."""
    content_hash = models.CharField(max_length=64, blank=True)
    """Of the names and contents of all files."""
    files = models.JSONField(default=list, blank=True)
    """name, kind, bytes and SHA-256 of each file."""
    notes = models.JSONField(default=list, blank=True)
    """Sentences about what was not read, or was read in another way."""
    bytes = models.BigIntegerField(null=True, blank=True)
    stored_bytes = models.BigIntegerField(null=True, blank=True)
    """What its documents take as the check has stored them; None until that was measured."""
    characters = models.BigIntegerField(null=True, blank=True)
    records = models.BigIntegerField(null=True, blank=True)
    train_documents = models.BigIntegerField(null=True, blank=True)
    validation_documents = models.BigIntegerField(null=True, blank=True)
    duplicates = models.BigIntegerField(null=True, blank=True)
    """Records with a text that had been read before."""
    near_duplicates = models.BigIntegerField(null=True, blank=True)
    """Training documents that nearly equal a held-out one."""
    bad_count = models.BigIntegerField(null=True, blank=True)
    bad_records = models.JSONField(default=list, blank=True)
    """file, line and problem of the first of them."""

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["corpus", "number"], name="version_once_per_corpus")]

    def __str__(self) -> str:
        return f"version {self.number} of corpus {self.corpus_id}"

    @property
    def folder(self) -> Path:
        """What the platform keeps of it: uploaded files, and the documents of the check."""
        return settings.RPT_DATA_DIR / "corpora" / str(self.corpus_id) / str(self.number)

    @property
    def place(self) -> str:
        """What a run reads: a path for `corpus.paths`."""
        return self.path or str(self.folder / "files")

    @property
    def documents_file(self) -> Path:
        """The documents as the check has read them."""
        return self.folder / "documents.parquet"

    @property
    def is_checked(self) -> bool:
        """Whether runs may read it."""
        return self.checked_at is not None

    @property
    def is_busy(self) -> bool:
        """Whether a look, a check or its deletion is under way."""
        return self.job is not None and not self.job.has_ended

    @property
    def is_being_deleted(self) -> bool:
        """Whether it is to be gone soon."""
        return self.job is not None and self.job.kind == DELETE and not self.job.has_ended

    @property
    def documents(self) -> int | None:
        """Documents of both sides."""
        if self.train_documents is None or self.validation_documents is None:
            return None
        return self.train_documents + self.validation_documents


class DeletedVersion(models.Model):
    """What stays of a version when it is deleted: enough to say what finished runs have read."""

    corpus_key = models.BigIntegerField()
    """The id that its corpus has, or had."""
    corpus_name = models.CharField(max_length=200)
    number = models.PositiveIntegerField()
    place = models.TextField()
    """As `CorpusVersion.place`."""
    content_hash = models.CharField(max_length=64, blank=True)
    """Empty for one that was never checked."""
    deleted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["corpus_key", "number"], name="deleted_version_once")]
        indexes = [models.Index(fields=["place"], name="deleted_version_place")]

    def __str__(self) -> str:
        return f"{self.corpus_name} version {self.number}"


@audited("version", "name", "length", "created_by")
class Upload(models.Model):
    """A file of a version that is being sent or fetched, or was."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(CorpusVersion, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=1000)
    """Its path within the version's folder."""
    length = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    """Bytes that are safe on the disk."""
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now_add=True)
    """When something of it came last."""
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "file"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["version", "name"], name="upload_once_per_version")]
        indexes = [models.Index(fields=["touched_at"], name="upload_touched")]

    def __str__(self) -> str:
        return self.name

    @property
    def part(self) -> Path:
        """Where it grows."""
        return settings.RPT_DATA_DIR / "uploads" / str(self.id)

    @property
    def target(self) -> Path:
        """Where it lies when it is whole."""
        return self.version.folder / "files" / self.name


class RunCorpus(models.Model):
    """Documents a run has read, after the split, with the records that could not be used."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="corpora")
    name = models.CharField(max_length=300)
    train_documents = models.PositiveIntegerField()
    validation_documents = models.PositiveIntegerField()
    bad_count = models.PositiveIntegerField(default=0)
    bad_records = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "corpora of runs"
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="corpus_once_per_run")]

    def __str__(self) -> str:
        return self.name


class ScoredSplit(models.Model):
    """A split of a filter run's scored documents, in numbers; the documents themselves stay in its Parquet file."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="splits")
    split = models.CharField(max_length=20)
    documents = models.PositiveIntegerField()
    positions = models.PositiveBigIntegerField()
    kept = models.PositiveBigIntegerField()
    by_difficulty = models.JSONField(default=dict)
    """Positions of each difficulty."""
    above_nats = models.JSONField(default=dict)
    """Each difficulty's threshold."""
    summary = models.JSONField(default=dict)
    """As `rpt_core.positions.summary` describes it; empty where the run was made before there was one."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "split"], name="split_once_per_run")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.split}"


class ModelSource(models.TextChoices):
    """Where a registered model lies."""

    FOLDER = "folder", "Folder"
    CHECKPOINT = "checkpoint", "Checkpoint"
    HUB = "hub", "Hub"


@audited("team", "name", "source", "path", "created_by")
class RegisteredModel(models.Model):
    """A model that runs can start from, under a name; only `corpora.registry` changes it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=200)
    source = models.CharField(max_length=20, choices=ModelSource.choices)
    path = models.CharField(max_length=1000)
    """Its folder, or its name on a hub: what a run's `model.path` holds."""
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="registered_models")
    """Whose checkpoint it is."""
    step = models.PositiveIntegerField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    """The newest check of it."""
    checked_at = models.DateTimeField(null=True, blank=True)
    loads = models.BooleanField(null=True, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    """What its files say, as `rpt_core.preflight.model_card` has it; empty until it was checked."""
    faults = models.JSONField(default=list, blank=True)
    """level and message of what speaks against it."""

    class Meta:
        verbose_name = "model"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["team", "path"], name="model_once_per_team")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_fit(self) -> bool | None:
        """Whether runs can use it; None until it was checked."""
        if self.checked_at is None:
            return None
        return bool(self.loads) and not any(fault["level"] == "error" for fault in self.faults)


class WordingKind(models.TextChoices):
    """What people write for runs to use."""

    TEMPLATE = "template", "Prompt template"
    PATTERNS = "patterns", "Pattern list"


@audited("team", "kind", "name", "created_by")
class Wording(models.Model):
    """A prompt template or a pattern list of a team, in versions."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="wordings")
    kind = models.CharField(max_length=20, choices=WordingKind.choices)
    name = models.CharField(max_length=64)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "kind", "name"], name="wording_once_per_team")]

    def __str__(self) -> str:
        return self.name


@audited("wording", "number", "created_by")
class WordingVersion(models.Model):
    """A text that never changes. Runs name its file, and so the version."""

    wording = models.ForeignKey(Wording, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["wording", "number"], name="wording_version_once")]

    def __str__(self) -> str:
        return f"{self.wording} v{self.number}"

    @property
    def path(self) -> Path:
        """Its file: what a run's `prompt.template` or `keywords` holds."""
        ending = "txt" if self.wording.kind == WordingKind.TEMPLATE else "yaml"
        folder = settings.RPT_DATA_DIR / "wordings" / str(self.wording_id)
        return folder / f"{self.wording.name}-v{self.number}.{ending}"
