"""The folder of a trained model, which is verified when it is loaded.

manifest.json   what the model is, and the sha256 of each file below; its own sha256 is the bundle's version
model.ubj       the same model for XGBoost
trees.json      the trees, as scoring reads them
resamples.json  trees fitted on resampled customers, for the uncertainty of a score
reference.json  the training features' distributions, for drift
golden.json     requests about made-up customers, with their answers
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from customer_risk.model.atomic import new_folder
from customer_risk.model.errors import BundleAltered, BundleError, BundleVersion
from customer_risk.model.features import catalogue
from customer_risk.model.features.wordings import FIRST, WORDINGS
from customer_risk.model.files import parse_json, read_file
from customer_risk.model.patterns.declaration import declaration_faults
from customer_risk.model.patterns.definitions import BY_CODE
from customer_risk.model.patterns.finder import Finder
from customer_risk.model.scoring.action_rule import WITH_PATTERNS, ActionRule
from customer_risk.model.scoring.calibration import Calibration
from customer_risk.model.scoring.explainer import Explainer, Method
from customer_risk.model.scoring.golden import GoldenRow, check_golden, loads_golden
from customer_risk.model.scoring.golden_answers import golden_answerer
from customer_risk.model.scoring.model_features import FeatureSettings, ModelFeatures
from customer_risk.model.scoring.scorer import Scorer
from customer_risk.model.scoring.segments import Thresholds
from customer_risk.model.scoring.trees import Packed, Trees

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


SCHEMA_VERSION: Final = 3
# Version 1 has another form of golden.json; versions 1 and 2 lack the action rule and the wordings.
_READ: Final = (1, 2, 3)
MANIFEST: Final = "manifest.json"
FILES: Final = ("golden.json", "model.ubj", "reference.json", "resamples.json", "trees.json")
_MOST_MANIFEST: Final = 16 * 1024 * 1024
_IGNORED: Final = ("lost+found",)  # in mounted volumes
_REMAKE: Final = "Download the bundle again from the registry, or make it again with `customer-risk train`."
_OTHER_INSTALL: Final = "Make the bundle again with this install, or install the version of customer-risk that made it."


class RiskRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The share of risky customers: in the labelled sample, and in the portfolio that probabilities are shifted to."""

    sample: float
    portfolio: float | None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bundle's manifest.

    `features` are the model's columns in order; `explain_method` is "tables" or "paths" (see Explainer); `cpu_family`
    is that of the machine that computed the golden answers. `action_rule` and `wordings`, the version of the texts of
    reasons, are UNSET in bundles made before schema version 3. `write_bundle` fills in `files`, the
    sha256 of each file in hex, and `seal`, the sha256 of the manifest itself as it is written with an empty seal.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    features: tuple[str, ...]
    catalogue_hash: str
    settings: FeatureSettings
    thresholds: Thresholds
    calibration: Calibration
    risk_rate: RiskRate
    metrics: dict[str, Any]
    explain_method: Method
    git_commit: str
    data_hash: str
    seed: int
    threads: int
    libraries: dict[str, str]
    cpu_family: str
    action_rule: ActionRule | UnsetType = UNSET
    wordings: int | UnsetType = UNSET
    files: dict[str, str] = {}
    seal: str = ""

    @property
    def wordings_version(self) -> int:
        """The version of the texts of reasons."""
        return FIRST if self.wordings is UNSET else self.wordings


@dataclass(frozen=True)
class Bundle:
    """A verified bundle; `version` is the sha256 of its manifest."""

    folder: Path
    manifest: Manifest
    version: str
    trees: Trees
    scorer: Scorer
    golden: list[GoldenRow]

    def __repr__(self) -> str:
        return f"Bundle({self.manifest.name!r}, version {self.version[:16]}, {len(self.manifest.features)} features)"

    @cached_property
    def resamples(self) -> tuple[Trees, ...]:
        """The resampled models' trees, read on first use; raises BundleAltered if the file has changed."""
        data = _verified(self.folder, "resamples.json", self.manifest.files)
        return loads_resamples(data)

    def model_features(self) -> ModelFeatures:
        """Return an object that computes the model's features, in the scorer's order."""
        return ModelFeatures(self.manifest.features, self.manifest.settings)

    def finder(self) -> Finder | None:
        """Return a finder of the action rule's patterns; None for a bundle without a rule."""
        rule = self.manifest.action_rule
        return None if rule is UNSET else Finder(rule.patterns, self.manifest.settings.for_kernel())

    def resampled_probabilities(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities float64[k, n] of k resampled models for rows float64[n, f]."""
        calibration = self.manifest.calibration
        return np.array([calibration.probability(trees.margins(values)) for trees in self.resamples])


def dumps_resamples(resamples: tuple[Trees, ...]) -> bytes:
    """Return the bytes of resamples.json."""
    return msgspec.json.encode([trees.pack() for trees in resamples])


def loads_resamples(data: bytes) -> tuple[Trees, ...]:
    """Return the trees in resamples.json; raises BundleError."""
    try:
        packed = parse_json(data, list[Packed])
    except msgspec.DecodeError as error:
        raise BundleError(f"resamples.json has no readable trees: {error}.", remedy=_REMAKE) from error
    return tuple(Trees.unpack(one) for one in packed)


def dumps_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of manifest.json: with sorted keys; the same manifest gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes], *, replace: bool = False) -> str:
    """Write a complete bundle or nothing, and return its version (the sha256 of manifest.json, in hex).

    `files` has all of FILES; the `files` of `manifest` are filled in. Raises BundleError for a folder that isn't empty,
    unless `replace`.
    """
    if set(files) != set(FILES):
        raise BundleError(
            f"A bundle holds {', '.join(FILES)}; missing {sorted(set(FILES) - set(files))}, "
            f"extra {sorted(set(files) - set(FILES))}.",
            remedy="Give exactly these files.",
        )
    if folder.exists() and not replace and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(
            f"{folder} already exists and isn't empty.", remedy="Name another folder, or remove this one first."
        )
    manifest = msgspec.structs.replace(
        # Encoded and decoded: an integer in a float's field becomes the float that a reader gets.
        msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest),
        files={name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
    )
    data = dumps_manifest(_sealed(manifest))
    with new_folder(folder, replace=replace) as written:
        for name, content in (*files.items(), (MANIFEST, data)):
            (written / name).write_bytes(content)
    return hashlib.sha256(data).hexdigest()


def load_bundle(folder: str | Path, *, verify_golden: bool = True) -> Bundle:
    """Read and verify a bundle.

    Checks, in this order:

    - This install reads the schema version. Otherwise raises BundleVersion.
    - The manifest is unchanged, and each file has the hash in it. There is no other file, except hidden ones and
      `lost+found`, which are in mounted volumes. Otherwise raises BundleAltered.
    - This install has the feature catalogue, the action rule's version and patterns, and the method of explaining.
      Otherwise raises BundleVersion.
    - The action rule's thresholds are valid. Otherwise raises BundleError.
    - The golden rows are answered as on the machine that made the bundle. Otherwise raises GoldenMismatch.

    Raises BundleError if there is no bundle.

    The golden requests are answered here with the encoder and the kernel that requests use. Serving skips this:
    in serving.decisions.verification the service itself answers them.
    """
    folder = Path(folder)
    data = _manifest_bytes(folder)
    manifest = _manifest(folder, data)
    contents = _contents(folder, manifest)
    _same_catalogue(folder, manifest)
    _usable_rule(folder, manifest)
    trees = Trees.loads(contents["trees.json"])
    if trees.features != len(manifest.features):
        raise BundleError(
            f"{folder}: trees.json takes {trees.features} features, the manifest names {len(manifest.features)}.",
            remedy=_REMAKE,
        )
    scorer = make_scorer(trees, manifest)
    if scorer.explainer.method != manifest.explain_method:
        raise BundleVersion(
            f"{folder / MANIFEST} says that reasons come from {manifest.explain_method}, here they would come from "
            f"{scorer.explainer.method}.",
            remedy=_OTHER_INSTALL,
        )
    golden = loads_golden(contents["golden.json"])
    if verify_golden:
        answer = golden_answerer(scorer, manifest.settings)
        check_golden(answer, golden, made_on=made_on(manifest), where=folder / "golden.json")
    return Bundle(folder, manifest, hashlib.sha256(data).hexdigest(), trees, scorer, golden)


def made_on(manifest: Manifest) -> str:
    """Return the CPU family of the golden answers, and the libraries that have another version here.

    Another version of NumPy may round the last bit differently, as another CPU family does.
    """
    others = [
        f"{name} {version}"
        for name, version in manifest.libraries.items()
        if name != "python" and _installed(name) not in {version, None}
    ]
    return " with ".join((manifest.cpu_family, *([", ".join(others)] if others else [])))


def _installed(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:  # a serving install lacks the libraries of training
        return None


def make_scorer(trees: Trees, manifest: Manifest) -> Scorer:
    """Return the scorer that loading the bundle would make, so that training can compute golden answers."""
    texts = WORDINGS[manifest.wordings_version]
    return Scorer(
        Explainer(trees),
        manifest.calibration,
        manifest.thresholds,
        [texts.worded(catalogue.BY_NAME[name]) for name in manifest.features],
        action_rule=None if manifest.action_rule is UNSET else manifest.action_rule,
        repeats=texts.repeats,
    )


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST
    try:
        return read_file(path, most=_MOST_MANIFEST)
    except OSError as error:
        raise BundleError(
            f"There is no bundle at {folder}: {path} can't be read ({error.strerror}).",
            remedy="Give the folder that `customer-risk train` wrote (RUN/bundle) or a registry's bundles/<sha256>.",
        ) from error


def _manifest(folder: Path, data: bytes) -> Manifest:
    """Return the manifest; the schema version is read first, because another version may have other fields."""
    try:
        version = parse_json(data, _Versioned).schema_version
        if version not in _READ:
            raise BundleVersion(
                f"{folder / MANIFEST} has schema version {version}, this install reads "
                f"{' and '.join(map(str, _READ))}.",
                remedy=_OTHER_INSTALL,
            )
        rule = parse_json(data, _WithRule).action_rule
        if rule is not UNSET and rule.version != WITH_PATTERNS:
            raise BundleVersion(
                f"{folder / MANIFEST} has version {rule.version} of the action rule; this install knows version "
                f"{WITH_PATTERNS}.",
                remedy=_OTHER_INSTALL,
            )
        manifest = parse_json(data, Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleAltered(f"{folder / MANIFEST} isn't a manifest: {error}.", remedy=_REMAKE) from error
    if data != dumps_manifest(_sealed(manifest)):
        raise BundleAltered(
            f"{folder / MANIFEST} was altered: its seal, a hash of its content, doesn't match.", remedy=_REMAKE
        )
    return manifest


def _sealed(manifest: Manifest) -> Manifest:
    unsealed = msgspec.structs.replace(manifest, seal="")
    return msgspec.structs.replace(manifest, seal=hashlib.sha256(dumps_manifest(unsealed)).hexdigest())


class _Versioned(msgspec.Struct):
    schema_version: int


class _VersionedRule(msgspec.Struct):
    version: int


class _WithRule(msgspec.Struct):
    action_rule: _VersionedRule | UnsetType = UNSET


def _usable_rule(folder: Path, manifest: Manifest) -> None:
    rule = manifest.action_rule
    if rule is UNSET:
        return
    unknown = [code for code in rule.patterns if code not in BY_CODE]
    if unknown:
        raise BundleVersion(
            f"{folder / MANIFEST}: this install doesn't know these patterns of the action rule: {', '.join(unknown)}.",
            remedy=_OTHER_INSTALL,
        )
    faults = declaration_faults(rule.patterns, rule.minimum, frozen=True)
    if faults:
        raise BundleError(f"{folder / MANIFEST}: the action rule can't be used: {'; '.join(faults)}.", remedy=_REMAKE)


def _same_catalogue(folder: Path, manifest: Manifest) -> None:
    version = manifest.wordings_version
    if version not in WORDINGS:
        raise BundleVersion(
            f"{folder / MANIFEST} has version {version} of the wordings; this install has versions "
            f"{' and '.join(map(str, WORDINGS))}.",
            remedy=_OTHER_INSTALL,
        )
    here = catalogue.catalogue_hash(version)
    if manifest.catalogue_hash != here:
        raise BundleVersion(
            f"{folder / MANIFEST} was made with another feature catalogue ({manifest.catalogue_hash[:12]}, here "
            f"{here[:12]}): its features may mean something else.",
            remedy=_OTHER_INSTALL,
        )


def _contents(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """Read and verify every file."""
    if set(manifest.files) != set(FILES):
        raise BundleAltered(
            f"{folder / MANIFEST} names {sorted(manifest.files)} instead of {sorted(FILES)}.", remedy=_REMAKE
        )
    extra = sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in (*FILES, MANIFEST, *_IGNORED) and not path.name.startswith(".")
    )
    if extra:
        raise BundleAltered(
            f"{folder} has {', '.join(extra)}, which the manifest doesn't name.",
            remedy="Remove these files, or download the bundle again.",
        )
    return {name: _verified(folder, name, manifest.files) for name in FILES}


def _verified(folder: Path, name: str, files: Mapping[str, str]) -> bytes:
    try:
        data = read_file(folder / name)
    except OSError as error:
        raise BundleAltered(f"{folder / name} can't be read ({error.strerror}).", remedy=_REMAKE) from error
    found = hashlib.sha256(data).hexdigest()
    if found != files[name]:
        raise BundleAltered(
            f"{folder / name} was altered: its sha256 is {found}, the manifest says {files[name]}.", remedy=_REMAKE
        )
    return data
