"""A bundle is verified when it is loaded."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import xgboost
from msgspec import UNSET

from customer_risk.model.errors import BundleAltered, BundleError, BundleVersion, GoldenMismatch
from customer_risk.model.features.catalogue import BY_NAME, catalogue_hash
from customer_risk.model.features.wordings import CURRENT, FIRST, WORDINGS
from customer_risk.model.scoring.action_rule import ActionRule
from customer_risk.model.scoring.bundle import (
    FILES,
    MANIFEST,
    Manifest,
    dumps_manifest,
    dumps_resamples,
    load_bundle,
    loads_resamples,
    write_bundle,
)
from customer_risk.model.scoring.segments import Thresholds


@pytest.fixture
def copy(bundle, tmp_path) -> Path:
    """A copy of the bundle that a test may change."""
    return shutil.copytree(bundle, tmp_path / "copy")


@pytest.fixture
def files(bundle) -> dict[str, bytes]:
    """The bundle's files except the manifest."""
    return {name: (bundle / name).read_bytes() for name in FILES}


@pytest.fixture
def manifest(bundle) -> Manifest:
    """The bundle's manifest."""
    return load_bundle(bundle, verify_golden=False).manifest


def test_a_bundle_loads_and_scores(bundle):
    """A loaded bundle scores a customer."""
    loaded = load_bundle(bundle)
    values = np.full(len(loaded.manifest.features), np.nan)
    assert loaded.scorer.judge(values).segment in {"low", "medium", "high"}
    assert loaded.model_features().names == loaded.manifest.features


def test_the_version_is_the_sha256_of_the_manifest(bundle):
    """The version is the sha256 of manifest.json."""
    assert load_bundle(bundle).version == hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()


def test_writing_again_gives_the_same_bytes(bundle, manifest, files, tmp_path):
    """The bytes, and so the version, depend only on the content."""
    again = tmp_path / "again"
    version = write_bundle(again, manifest, files)
    assert version == load_bundle(bundle).version
    assert all((again / name).read_bytes() == (bundle / name).read_bytes() for name in (*FILES, MANIFEST))


def test_xgboost_reads_the_model_and_gives_the_same_margins(bundle):
    """model.ubj and trees.json are one model."""
    loaded = load_bundle(bundle)
    rows = np.random.default_rng(0).normal(50, 100, (40, len(loaded.manifest.features)))
    booster = xgboost.Booster(model_file=bundle / "model.ubj")
    expected = booster.predict(xgboost.DMatrix(rows), output_margin=True)
    np.testing.assert_allclose(loaded.scorer.score(rows).margin, expected, atol=1e-5)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("place", [0.0, 0.31, 0.77, 1.0])
def test_one_flipped_byte_anywhere_is_refused(copy, name, place):
    """A flipped byte in any file is refused, and the file is named."""
    content = bytearray((copy / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleAltered, match=name):
        load_bundle(copy)


def test_a_manifest_changed_by_hand_is_refused(copy):
    """A manifest with a changed threshold is refused."""
    text = (copy / MANIFEST).read_text().replace('"high": 0.6', '"high": 0.7')
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BundleAltered, match="its seal, a hash of its content, doesn't match"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(copy, name):
    """Each missing file is refused by name, also one that scoring doesn't need."""
    (copy / name).unlink()
    with pytest.raises(BundleAltered, match=rf"{name} can't be read"):
        load_bundle(copy)


def test_an_extra_file_is_refused_by_name(copy):
    """A file that the manifest doesn't name is refused."""
    (copy / "customers.csv").write_text("id\n")
    with pytest.raises(BundleAltered, match=r"has customers\.csv"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["..data", ".DS_Store", "lost+found"])
def test_files_of_mounted_volumes_are_ignored(copy, name):
    """Hidden files and lost+found of mounted volumes are ignored."""
    before = load_bundle(copy).version
    (copy / name).mkdir()
    assert load_bundle(copy).version == before


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_a_bundle_is_refused(tmp_path, there):
    """The message says that there is no bundle and which folder to give."""
    folder = tmp_path / "nothing"
    if there:
        folder.mkdir()
    with pytest.raises(BundleError, match=r"There is no bundle at .*nothing.*RUN/bundle"):
        load_bundle(folder)


def test_another_schema_version_is_refused_before_its_fields_are_read(copy):
    """A later schema version is refused before unknown fields are read."""
    (copy / MANIFEST).write_text('{"schema_version": 4, "unheard_of": true}')
    with pytest.raises(BundleVersion, match="schema version 4, this install reads 1 and 2 and 3"):
        load_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"schema_version": "1"}', b'{"schema_version": 1}', b"\xff"])
def test_other_content_than_a_manifest_is_refused(copy, content):
    """Content that isn't a manifest is refused."""
    (copy / MANIFEST).write_bytes(content)
    with pytest.raises(BundleAltered, match="isn't a manifest"):
        load_bundle(copy)


def _write(folder: Path, manifest: Manifest, files: dict[str, bytes], **changes) -> Path:
    write_bundle(folder, msgspec.structs.replace(manifest, **changes), files)
    return folder


@pytest.mark.parametrize(
    ("changes", "error", "fault", "remedy"),
    [
        (
            {"catalogue_hash": "f" * 64},
            BundleVersion,
            "another feature catalogue",
            "install the version of customer-risk",
        ),
        (
            {"wordings": 99},
            BundleVersion,
            "has version 99 of the wordings; this install has versions 1 and 2",
            "install",
        ),
        (
            {"wordings": FIRST},
            BundleVersion,
            "another feature catalogue",
            "install the version of customer-risk that made it",
        ),
        ({"explain_method": "paths"}, BundleVersion, "come from paths, here they would come from tables", "install"),
        ({"features": ("in_sum",)}, BundleError, "takes 10 features, the manifest names 1", "customer-risk train"),
    ],
    ids=["catalogue", "unknown wordings", "wordings of another hash", "explaining", "features"],
)
def test_a_manifest_that_does_not_fit_is_refused(manifest, files, tmp_path, changes, error, fault, remedy):
    """A manifest that fits neither this install nor the trees is refused; the message says what differs."""
    folder = _write(tmp_path / "b", manifest, files, **changes)
    with pytest.raises(error, match=fault) as refused:
        load_bundle(folder)
    assert remedy in refused.value.remedy


@pytest.mark.parametrize("wordings", [UNSET, FIRST, CURRENT])
def test_reasons_have_the_texts_of_the_manifests_version(manifest, files, tmp_path, wordings):
    """A bundle that names no version has the texts of version 1, which may repeat."""
    version = FIRST if wordings is UNSET else wordings
    folder = _write(tmp_path / "b", manifest, files, wordings=wordings, catalogue_hash=catalogue_hash(version))
    scorer = load_bundle(folder, verify_golden=False).scorer
    assert [feature.investigator for feature in scorer.features] == [
        WORDINGS[version].worded(BY_NAME[name]).investigator for name in manifest.features
    ]
    values, contributions = np.ones(len(scorer.features)), np.ones(len(scorer.features))
    texts = [reason.text for reason in scorer.reasons(values, contributions, "high")]
    assert ("" in texts) == (version != FIRST)


LARGE = {"amount": 3_000.0, "quantile": 0.95, "usual": 4_000.0}


@pytest.mark.parametrize(
    ("rule", "error", "fault"),
    [
        ({"patterns": {"MOON_PHASE": {}}}, BundleVersion, "doesn't know these patterns of the action rule: MOON_PHASE"),
        ({"patterns": {"VELOCITY_BURST": {"count": 8.0}}}, BundleError, r"VELOCITY_BURST\.hours is missing"),
        (
            {"patterns": {"LARGE_AMOUNT": {"amount": 1.0, "quantile": 0.5}}},
            BundleError,
            r"LARGE_AMOUNT\.usual is missing",
        ),
        ({"patterns": {"LARGE_AMOUNT": LARGE | {"usual": -1.0}}}, BundleError, r"LARGE_AMOUNT\.usual is -1\.0"),
        ({"patterns": {"LARGE_AMOUNT": LARGE | {"share": 1.0}}}, BundleError, r"LARGE_AMOUNT\.share is unknown"),
        ({"minimum": 0}, BundleError, "minimum is 0; it must be from 1 to 1, the number of patterns"),
        ({"minimum": 2}, BundleError, "minimum is 2"),
        ({"patterns": {}}, BundleError, "it must be from 1 to 0, the number of patterns"),
        ({"version": 1}, BundleVersion, "has version 1 of the action rule; this install knows version 2"),
        ({"version": 3}, BundleVersion, "has version 3 of the action rule; this install knows version 2"),
    ],
)
def test_an_action_rule_that_cannot_be_used_is_refused(manifest, files, tmp_path, rule, error, fault):
    """A rule with another version, an unknown pattern, or a missing or invalid threshold or minimum is refused."""
    changed = msgspec.structs.replace(ActionRule(minimum=1, patterns={"LARGE_AMOUNT": LARGE}), **rule)
    folder = _write(tmp_path / "b", manifest, files, action_rule=changed)
    with pytest.raises(error, match=fault):
        load_bundle(folder)


def test_integer_thresholds_are_sealed_as_they_are_read(manifest, files, tmp_path):
    """A rule made with integers fits its seal when it is read."""
    rule = ActionRule(minimum=1, patterns={"VELOCITY_BURST": {"count": 3, "hours": 24}})
    folder = _write(tmp_path / "b", manifest, files, action_rule=rule)
    assert load_bundle(folder, verify_golden=False).manifest.action_rule == rule


def test_a_later_rule_is_refused_by_its_version_before_its_fields_are_read(copy):
    """A later action rule may have fields that this install can't know."""
    text = (copy / MANIFEST).read_text().replace('"minimum": 1', '"least": 1').replace('"version": 2', '"version": 7')
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BundleVersion, match="has version 7 of the action rule"):
        load_bundle(copy)


def test_golden_answers_depend_on_the_action_rule(manifest, files, tmp_path):
    """A bundle with another action rule than its golden rows were answered with doesn't load."""
    folder = _write(tmp_path / "b", manifest, files, action_rule=UNSET)
    with pytest.raises(GoldenMismatch, match="patterns"):
        load_bundle(folder)


def test_a_manifest_that_names_other_files_is_refused(bundle, copy):
    """A manifest without the hash of a file is refused."""
    content = json.loads((bundle / MANIFEST).read_text())
    del content["files"]["golden.json"]
    content["seal"] = ""
    unsealed = msgspec.json.decode(json.dumps(content), type=Manifest)
    seal = hashlib.sha256(dumps_manifest(unsealed)).hexdigest()
    (copy / MANIFEST).write_bytes(dumps_manifest(msgspec.structs.replace(unsealed, seal=seal)))
    with pytest.raises(BundleAltered, match=r"names .* instead of"):
        load_bundle(copy)


def test_other_golden_answers_are_refused(manifest, files, tmp_path):
    """A bundle whose golden answers differ here is refused, and the row is named."""
    golden = json.loads(files["golden.json"])
    golden[2]["answer"]["segment"] = "high" if golden[2]["answer"]["segment"] != "high" else "low"
    folder = _write(tmp_path / "b", manifest, files | {"golden.json": json.dumps(golden).encode()})
    with pytest.raises(GoldenMismatch, match=r"golden\.json: row 2.*answer\.segment"):
        load_bundle(folder)
    assert load_bundle(folder, verify_golden=False).golden == golden


def test_golden_answers_depend_on_the_thresholds(manifest, files, tmp_path):
    """A bundle written with other thresholds than its golden rows were answered with doesn't load."""
    folder = _write(tmp_path / "b", manifest, files, thresholds=Thresholds(0.0, 0.0))
    with pytest.raises(GoldenMismatch):
        load_bundle(folder)


def test_resampled_models_are_read_on_first_use(copy):
    """The file of the resampled models is verified when it is read."""
    loaded = load_bundle(copy)
    (copy / "resamples.json").write_bytes(b"[]")
    with pytest.raises(BundleAltered, match=r"resamples\.json was altered"):
        _ = loaded.resamples


def test_resampled_probabilities_are_calibrated_like_the_score(bundle):
    """Resampled probabilities are calibrated as the score is."""
    loaded = load_bundle(bundle)
    rows = np.random.default_rng(0).normal(50, 100, (5, len(loaded.manifest.features)))
    resampled = loaded.resampled_probabilities(rows)
    assert resampled.shape == (1, 5)
    np.testing.assert_allclose(resampled[0], loaded.scorer.score(rows).probability, atol=1e-12)


def test_resamples_are_the_same_after_writing_and_reading(grow):
    """Resampled models that are written and read again are the same."""
    trees = tuple(grow(np.random.default_rng(seed), trees=3, depth=2, features=2) for seed in range(2))
    assert [one.dumps() for one in loads_resamples(dumps_resamples(trees))] == [one.dumps() for one in trees]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]"])
def test_other_content_than_resamples_is_refused(data):
    """The error names the file."""
    with pytest.raises(BundleError, match=r"resamples\.json has no readable trees"):
        loads_resamples(data)


def test_a_folder_with_content_is_not_overwritten(manifest, files, tmp_path):
    """A folder with content is not overwritten."""
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(BundleError, match="already exists and isn't empty"):
        write_bundle(tmp_path, manifest, files)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_file_is_not_overwritten(manifest, files, tmp_path):
    """A file is not overwritten by a folder."""
    (tmp_path / "bundle").write_text("mine")
    with pytest.raises(BundleError, match="already exists and isn't empty"):
        write_bundle(tmp_path / "bundle", manifest, files)


def test_replace_removes_the_old_bundle_completely(manifest, files, copy):
    """With `replace`, nothing of the old bundle remains, and nothing is left beside it."""
    (copy / "old.txt").write_text("old")
    version = write_bundle(copy, msgspec.structs.replace(manifest, name="other"), files, replace=True)
    assert load_bundle(copy).version == version
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("change", [{"golden.json": None}, {"customers.csv": b"id"}])
def test_only_a_bundles_own_files_are_written(manifest, files, tmp_path, change):
    """If a file is missing or extra, nothing is written."""
    given = {name: data for name, data in (files | change).items() if data is not None}
    with pytest.raises(BundleError, match=next(iter(change)).replace(".", r"\.")):
        write_bundle(tmp_path / "bundle", manifest, given)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_no_file(manifest, files, tmp_path):
    """A write that fails leaves no file."""
    with pytest.raises(TypeError):
        write_bundle(tmp_path / "bundle", manifest, files | {"trees.json": 3})
    assert list(tmp_path.iterdir()) == []


def test_the_guide_names_every_file_and_field(manifest):
    """The guide explains each file and field of a bundle."""
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "bundle.md").read_text()
    missing = [name for name in (*FILES, MANIFEST, *msgspec.structs.asdict(manifest)) if f"`{name}`" not in guide]
    assert missing == []


@pytest.mark.parametrize(
    ("libraries", "loads"),
    [({"numpy": np.__version__}, False), ({"numpy": "1.0", "python": "3.0"}, True), ({"not-installed": "1.0"}, False)],
    ids=["the same", "another version", "not installed"],
)
def test_the_last_bit_may_differ_with_another_version_of_a_library(manifest, files, tmp_path, libraries, loads):
    """A golden answer that differs in its last bit is a mismatch only if the same libraries computed it."""
    rows = msgspec.json.decode(files["golden.json"])
    answer = rows[0]["answer"]
    answer["probability"] = math.nextafter(answer["probability"], 1)
    changed = files | {"golden.json": msgspec.json.encode(rows)}
    folder = _write(tmp_path / "b", manifest, changed, libraries=libraries)
    if loads:
        load_bundle(folder)
    else:
        with pytest.raises(GoldenMismatch, match="probability"):
            load_bundle(folder)
