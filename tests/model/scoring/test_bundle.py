"""A bundle is what it says, or it isn't loaded."""

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
    """A copy of the bundle that a test may spoil."""
    return shutil.copytree(bundle, tmp_path / "copy")


@pytest.fixture
def files(bundle) -> dict[str, bytes]:
    """The bundle's files but the manifest."""
    return {name: (bundle / name).read_bytes() for name in FILES}


@pytest.fixture
def manifest(bundle) -> Manifest:
    """The bundle's manifest."""
    return load_bundle(bundle, verify_golden=False).manifest


def test_a_bundle_loads_and_scores(bundle):
    """What comes back is ready to decide."""
    loaded = load_bundle(bundle)
    values = np.full(len(loaded.manifest.features), np.nan)
    assert loaded.scorer.judge(values).segment in {"low", "medium", "high"}
    assert loaded.model_features().names == loaded.manifest.features


def test_its_version_is_the_sha256_of_the_manifest(bundle):
    """As anyone can compute it."""
    assert load_bundle(bundle).version == hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()


def test_writing_again_gives_the_same_bytes(bundle, manifest, files, tmp_path):
    """No wall time, no order of chance: the version is that of the content."""
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
    """In any file, the manifest included; the file is named."""
    content = bytearray((copy / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleAltered, match=name):
        load_bundle(copy)


def test_a_manifest_changed_by_hand_is_refused(copy):
    """A threshold isn't anyone's to edit, however well-formed."""
    text = (copy / MANIFEST).read_text().replace('"high": 0.6', '"high": 0.7')
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BundleAltered, match="its seal doesn't fit"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(copy, name):
    """Even one that isn't needed to score."""
    (copy / name).unlink()
    with pytest.raises(BundleAltered, match=rf"{name} can't be read"):
        load_bundle(copy)


def test_an_extra_file_is_refused_by_name(copy):
    """A bundle is only what its manifest names."""
    (copy / "customers.csv").write_text("id\n")
    with pytest.raises(BundleAltered, match=r"holds customers\.csv"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["..data", ".DS_Store", "lost+found"])
def test_what_mounted_volumes_bring_along_is_overlooked(copy, name):
    """A harmless artefact doesn't keep a pod from starting."""
    (copy / name).mkdir()
    load_bundle(copy)


@pytest.mark.parametrize("there", [True, False])
def test_no_bundle_at_all_is_said_so(tmp_path, there):
    """The message says which folder to give."""
    folder = tmp_path / "nothing"
    if there:
        folder.mkdir()
    with pytest.raises(BundleError, match=r"There is no bundle at .*nothing.*RUN/bundle"):
        load_bundle(folder)


def test_another_schema_version_is_refused_before_its_fields_are_read(copy):
    """A later manifest may hold what this install can't know."""
    (copy / MANIFEST).write_text('{"schema_version": 4, "unheard_of": true}')
    with pytest.raises(BundleVersion, match="schema version 4, this install reads 1 and 2 and 3"):
        load_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"schema_version": "1"}', b'{"schema_version": 1}', b"\xff"])
def test_something_else_is_no_manifest(copy, content):
    """Nothing half-read is used."""
    (copy / MANIFEST).write_bytes(content)
    with pytest.raises(BundleAltered, match="isn't a manifest"):
        load_bundle(copy)


def _write(folder: Path, manifest: Manifest, files: dict[str, bytes], **changes) -> Path:
    write_bundle(folder, msgspec.structs.replace(manifest, **changes), files)
    return folder


def test_another_feature_catalogue_is_refused(manifest, files, tmp_path):
    """The same names may mean something else there."""
    folder = _write(tmp_path / "b", manifest, files, catalogue_hash="f" * 64)
    with pytest.raises(BundleVersion, match="another feature catalogue"):
        load_bundle(folder)


def test_wordings_of_an_unknown_version_are_refused(manifest, files, tmp_path):
    """The message names the version and what to do; no text is guessed."""
    folder = _write(tmp_path / "b", manifest, files, wordings=99)
    with pytest.raises(
        BundleVersion, match="has version 99 of the wordings; this install has versions 1 and 2"
    ) as refused:
        load_bundle(folder)
    assert "install the customer-risk that made it" in refused.value.remedy


def test_wordings_of_another_version_than_the_catalogues_hash_are_refused(manifest, files, tmp_path):
    """The hash of the catalogue is that of the texts that the manifest names."""
    folder = _write(tmp_path / "b", manifest, files, wordings=FIRST)
    with pytest.raises(BundleVersion, match="another feature catalogue"):
        load_bundle(folder)


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
        ({"minimum": 0}, BundleError, "minimum is 0, not from 1 to the number of patterns, 1"),
        ({"minimum": 2}, BundleError, "minimum is 2"),
        ({"patterns": {}}, BundleError, "not from 1 to the number of patterns, 0"),
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


def test_whole_thresholds_are_written_as_they_are_read(manifest, files, tmp_path):
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


def test_golden_answers_hold_the_action_rule_too(manifest, files, tmp_path):
    """A bundle with another action rule than its golden rows were answered with doesn't load."""
    folder = _write(tmp_path / "b", manifest, files, action_rule=UNSET)
    with pytest.raises(GoldenMismatch, match="patterns"):
        load_bundle(folder)


def test_another_way_of_explaining_is_refused(manifest, files, tmp_path):
    """The manifest tells the truth about where reasons come from."""
    folder = _write(tmp_path / "b", manifest, files, explain_method="paths")
    with pytest.raises(BundleVersion, match="come from paths, here they would come from tables"):
        load_bundle(folder)


def test_trees_of_another_width_are_refused(manifest, files, tmp_path):
    """The manifest's features are the trees' columns."""
    folder = _write(tmp_path / "b", manifest, files, features=manifest.features[:-1])
    with pytest.raises(BundleError, match="takes 10 features, the manifest names 9"):
        load_bundle(folder)


def test_a_manifest_that_names_other_files_is_refused(bundle, copy):
    """None of them may be left out of the hashes."""
    content = json.loads((bundle / MANIFEST).read_text())
    del content["files"]["golden.json"]
    content["seal"] = ""
    unsealed = msgspec.json.decode(json.dumps(content), type=Manifest)
    seal = hashlib.sha256(dumps_manifest(unsealed)).hexdigest()
    (copy / MANIFEST).write_bytes(dumps_manifest(msgspec.structs.replace(unsealed, seal=seal)))
    with pytest.raises(BundleAltered, match=r"names .* instead of"):
        load_bundle(copy)


def test_other_golden_answers_are_refused(manifest, files, tmp_path):
    """Hashes hold, yet this install answers differently."""
    golden = json.loads(files["golden.json"])
    golden[2]["answer"]["segment"] = "high" if golden[2]["answer"]["segment"] != "high" else "low"
    folder = _write(tmp_path / "b", manifest, files | {"golden.json": json.dumps(golden).encode()})
    with pytest.raises(GoldenMismatch, match=r"golden\.json: row 2.*answer\.segment"):
        load_bundle(folder)
    assert load_bundle(folder, verify_golden=False).golden == golden


def test_golden_answers_hold_the_thresholds_too(manifest, files, tmp_path):
    """A bundle written with other thresholds than its golden rows were answered with doesn't load."""
    folder = _write(tmp_path / "b", manifest, files, thresholds=Thresholds(0.0, 0.0))
    with pytest.raises(GoldenMismatch):
        load_bundle(folder)


def test_resampled_models_are_read_when_asked_for(copy):
    """And verified once more: the file may have changed since."""
    loaded = load_bundle(copy)
    (copy / "resamples.json").write_bytes(b"[]")
    with pytest.raises(BundleAltered, match=r"resamples\.json was altered"):
        _ = loaded.resamples


def test_resampled_probabilities_are_calibrated_like_the_score(bundle):
    """The only resampled model here is the model itself."""
    loaded = load_bundle(bundle)
    rows = np.random.default_rng(0).normal(50, 100, (5, len(loaded.manifest.features)))
    resampled = loaded.resampled_probabilities(rows)
    assert resampled.shape == (1, 5)
    np.testing.assert_allclose(resampled[0], loaded.scorer.score(rows).probability, atol=1e-12)


def test_resamples_survive_the_file(grow):
    """Two models go in, two come out."""
    trees = tuple(grow(np.random.default_rng(seed), trees=3, depth=2, features=2) for seed in range(2))
    assert [one.dumps() for one in loads_resamples(dumps_resamples(trees))] == [one.dumps() for one in trees]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]"])
def test_something_else_is_no_resamples(data):
    """The file is named."""
    with pytest.raises(BundleError, match=r"resamples\.json holds no trees"):
        loads_resamples(data)


def test_a_folder_with_something_in_it_is_not_overwritten(manifest, files, tmp_path):
    """What stands there stays as it is."""
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(BundleError, match="already holds something"):
        write_bundle(tmp_path, manifest, files)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_file_in_the_way_is_not_overwritten(manifest, files, tmp_path):
    """Not even by a folder of that name."""
    (tmp_path / "bundle").write_text("mine")
    with pytest.raises(BundleError, match="already holds something"):
        write_bundle(tmp_path / "bundle", manifest, files)


def test_an_old_bundle_is_replaced_whole_when_told_to(manifest, files, copy):
    """Nothing of the old one remains, and nothing beside it."""
    (copy / "old.txt").write_text("old")
    version = write_bundle(copy, msgspec.structs.replace(manifest, name="other"), files, replace=True)
    assert load_bundle(copy).version == version
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize("change", [{"golden.json": None}, {"customers.csv": b"id"}])
def test_only_a_bundles_own_files_are_written(manifest, files, tmp_path, change):
    """One missing or one too many, and nothing is written."""
    given = {name: data for name, data in (files | change).items() if data is not None}
    with pytest.raises(BundleError, match=next(iter(change)).replace(".", r"\.")):
        write_bundle(tmp_path / "bundle", manifest, given)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_nothing(manifest, files, tmp_path):
    """Whole or not at all."""
    with pytest.raises(TypeError):
        write_bundle(tmp_path / "bundle", manifest, files | {"trees.json": 3})
    assert list(tmp_path.iterdir()) == []


def test_the_guide_names_every_file_and_field(manifest):
    """Whoever opens a bundle finds each thing in it explained."""
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
