import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
import pytest
import safetensors
import torch
from PIL import Image

from rafce.errors import ConfigError, OutputError, WeightsError
from rafce_train import export as export_module
from rafce_train.checkpoint import load_weights, save_weights
from rafce_train.data import find_images, read_data
from rafce_train.export import FORMATS, export
from rafce_train.predict import predict
from rafce_train.saved import load_net, open_model


@pytest.fixture(scope="session")
def run(tiny, whole):
    """A network with BatchNorm, which exporters fold into convolutions."""
    return whole(tiny(method="mtl", backbone="resnet18", epochs=1))[0]


@pytest.fixture(scope="session")
def exported(run, tmp_path_factory):
    """A function from a format to its file and the difference that was measured; each is exported once."""
    made = {}

    def make(kind):
        if kind not in made:
            path = tmp_path_factory.mktemp("exported") / f"model{FORMATS[kind].suffix}"
            made[kind] = path, export(run, kind, path)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def test_images(tiny_dataset):
    data = read_data(tiny_dataset)
    paths = find_images(data)
    return [paths[row] for row in data.rows("test")]


def probabilities(table):
    return table.to_pandas().filter(regex="^p_").to_numpy(np.float64)


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_the_file_the_run_folder_and_the_runs_predictions_agree_to_1e_5(kind, exported, run, test_images):
    path, difference = exported(kind)
    assert difference <= 1e-5
    from_file, _ = predict(open_model(path), test_images, 4, lambda done, total: None)
    from_run, _ = predict(open_model(run, "cpu"), test_images, 64, lambda done, total: None)
    wrote = pq.read_table(run / "predictions.parquet")
    assert from_file.column_names == from_run.column_names
    assert from_file["predicted"].to_pylist() == wrote["predicted"].to_pylist()
    np.testing.assert_allclose(probabilities(from_file), probabilities(from_run), atol=1e-5)
    np.testing.assert_allclose(probabilities(from_file), probabilities(wrote), atol=1e-5)


def test_the_torch_export_file_agrees_with_the_net_for_any_batch(exported, run):
    path, difference = exported("torch-export")
    assert difference <= 1e-5
    module, (net, _) = torch.export.load(path).module(), load_net(run)
    for n in (1, 2, 7):
        images = torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(n))
        with torch.inference_mode():
            outputs, (emotion, au) = net(images), module(images)
        torch.testing.assert_close(emotion, outputs.emotion_logits_BK.softmax(1), rtol=0, atol=1e-5)
        torch.testing.assert_close(au, outputs.au_logits_BA.sigmoid(), rtol=0, atol=1e-5)


def test_the_onnx_file_is_used_with_its_metadata_alone(exported, run, test_images):
    """As a stranger would: onnxruntime, Pillow, NumPy and the JSON in the file."""
    session = onnxruntime.InferenceSession(exported("onnx")[0], providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["rafce"])
    seen = facts["preprocessing"]
    side = seen["image_size"]
    pixels = [np.asarray(Image.open(path).convert("RGB").resize((side, side), 2)) for path in test_images]
    images = (np.stack(pixels) / 255 - seen["mean"]) / seen["deviation"]
    images = images.transpose(0, 3, 1, 2).astype(np.float32)
    wrote = pq.read_table(run / "predictions.parquet").to_pandas()
    for n in (1, len(images)):  # one graph, any batch
        emotion, au = session.run(["emotion_probabilities", "au_probabilities"], {"images": images[:n]})
        for row in range(n):
            named = dict(zip(facts["emotions"], emotion[row], strict=True))
            for name, p in named.items():
                assert wrote[f"p_{name.replace(' ', '_')}"][row] == pytest.approx(p, abs=1e-5)
            assert max(named, key=lambda name: named[name]) == wrote["predicted"][row]
            for number, p in zip(facts["aus"], au[row], strict=True):
                assert wrote[f"p_AU{number:02d}"][row] == pytest.approx(p, abs=1e-5)


def metadata(path):
    """What each library finds in its file under the key `rafce`."""
    if path.suffix == ".onnx":
        return next(entry.value for entry in onnx.load(path).metadata_props if entry.key == "rafce")
    if path.suffix == ".pt2":
        extra = {"rafce": ""}
        torch.export.load(path, extra_files=extra)
        return extra["rafce"]
    with safetensors.safe_open(path, "pt") as file:
        return file.metadata()["rafce"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_file_carries_all_that_is_needed_to_use_it(kind, exported, run):
    facts = json.loads(metadata(exported(kind)[0]))
    assert (facts.pop("digest", None) is None) == (kind == "torch-export")
    assert facts == {"schema": "weights/2", **load_weights(run / "weights.safetensors")[1]}
    assert "research" in facts["licence"]
    assert len(facts["thresholds"]) == len(facts["aus"]) == 32
    assert len(facts["emotions"]) == 14
    assert "bilinear" in facts["preprocessing"]["steps"]


@pytest.mark.parametrize("kind", FORMATS)
def test_no_file_tells_where_it_was_made(kind, exported):
    content = exported(kind)[0].read_bytes()
    for file in (torch.__file__, export_module.__file__):
        assert str(Path(file).parent).encode() not in content


@pytest.mark.parametrize("kind", ["torch-export", "safetensors"])
def test_exporting_again_gives_the_same_bytes(kind, exported, run, tmp_path):
    path, _ = exported(kind)
    export(run, kind, tmp_path / path.name)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_an_exported_file_can_be_exported_again(exported, run, tmp_path):
    path, _ = exported("safetensors")
    export(path, "safetensors", tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == path.read_bytes()


def test_a_run_in_mixed_precision_is_exported_in_full_precision(run, tmp_path):
    tensors, facts = load_weights(run / "weights.safetensors")
    save_weights(tmp_path / "half.safetensors", tensors, {**facts, "precision": "bf16"})
    assert load_net(tmp_path / "half.safetensors")[0].bf16
    assert export(tmp_path / "half.safetensors", "safetensors", tmp_path / "m.safetensors") <= 1e-5
    assert not load_net(tmp_path / "m.safetensors")[0].bf16


def changed(net, facts):
    with torch.no_grad():
        net.au_head.bias[3] += 1e-3
    content = FORMATS["safetensors"].content(net, facts)
    with torch.no_grad():
        net.au_head.bias[3] -= 1e-3
    return content


def test_a_file_that_differs_from_the_run_is_not_written(run, tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "changed", replace_content(changed))
    with pytest.raises(OutputError, match=r"m\.safetensors: not written: expected at most 1e-05 between"):
        export(run, "changed", tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_exported(run, tmp_path):
    tensors, facts = load_weights(run / "weights.safetensors")
    tensors["au_head.bias"][0] = float("nan")
    save_weights(tmp_path / "nan.safetensors", tensors, facts)
    with pytest.raises(
        WeightsError, match=r"nan\.safetensors: expected finite numbers, found others in au_head"
    ):
        export(tmp_path / "nan.safetensors", "safetensors", tmp_path / "m.safetensors")


def test_a_network_that_no_exporter_takes_is_named(run, tmp_path, monkeypatch):
    def refuse(net, facts):
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setitem(FORMATS, "refused", replace_content(refuse))
    with pytest.raises(ConfigError) as caught:
        export(run, "refused", tmp_path / "m.safetensors")
    assert str(caught.value) == "backbone resnet18: cannot be exported: RuntimeError: no such operator"


def replace_content(content):
    return FORMATS["safetensors"]._replace(content=content)


@pytest.mark.parametrize(
    ("kind", "name", "error", "message"),
    [
        ("onnx", "m.pt2", ConfigError, "expected a name that ends in .onnx for --format onnx"),
        ("onnx", "absent/m.onnx", OutputError, "expected a folder to write to, found no"),
        ("safetensors", "run/weights.safetensors", OutputError, "expected another name: it is the run's own"),
    ],
)
def test_a_place_that_will_not_do_is_refused_before_any_work(tmp_path, kind, name, error, message):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.toml").touch()
    with pytest.raises(error) as caught:
        export(tmp_path / "no run", kind, tmp_path / name)
    assert message in str(caught.value)


def test_absent_packages_are_named_with_the_extra_that_brings_them(tmp_path, monkeypatch):
    for name in ("onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    extra = r"needs onnxscript, onnxruntime: pip install 'rafce\[export\]'"
    with pytest.raises(ConfigError, match=f"--format onnx {extra}"):
        export(tmp_path / "run", "onnx", tmp_path / "m.onnx")
    (tmp_path / "m.onnx").touch()
    with pytest.raises(ConfigError, match=r"an ONNX file needs onnxruntime: pip install 'rafce\[export\]'"):
        open_model(tmp_path / "m.onnx")


def plain_onnx(path):
    """A graph that says nothing of itself."""
    value = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["images"], ["y"])],
        "g",
        [value],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), path)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("m.onnx", None, "m.onnx: expected a run folder or an exported file, found none"),
        ("run", None, "run: expected a run folder or an exported file, found none"),
        ("run", Path.mkdir, "weights.safetensors: expected the weights of a run, found none"),
        ("m.onnx", lambda path: path.write_bytes(b"no graph"), "cannot be read as an ONNX file"),
        ("m.safetensors", lambda path: path.write_bytes(b"no graph"), "expected the weights of a run: Error"),
        (
            "m.pt2",
            lambda path: path.write_bytes(b""),
            "expected a run folder or an exported .onnx or .safetensors",
        ),
        ("m.onnx", plain_onnx, "expected the weights of a run, schema weights/2, found None"),
    ],
)
def test_what_holds_no_network_is_refused(tmp_path, name, make, message):
    if make:
        make(tmp_path / name)
    with pytest.raises(WeightsError) as caught:
        open_model(tmp_path / name)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_weights_of_another_network_name_a_tensor(run, tmp_path):
    tensors, facts = load_weights(run / "weights.safetensors")
    save_weights(tmp_path / "w.safetensors", tensors, {**facts, "emotions": facts["emotions"][:13]})
    with pytest.raises(
        WeightsError, match="expected the weights of a resnet18: size mismatch for emotion_head"
    ):
        load_net(tmp_path / "w.safetensors")


def test_a_graph_refuses_another_device_than_the_cpu(tmp_path):
    (tmp_path / "m.onnx").touch()
    with pytest.raises(ConfigError, match=r"--device cuda: m\.onnx computes on the CPU only"):
        open_model(tmp_path / "m.onnx", "cuda")


def test_an_absent_device_is_refused(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="--device cuda: torch finds none here"):
        open_model(run, "cuda")


def test_facts_of_a_net_are_those_of_its_weights(run):
    net, facts = load_net(run)
    assert not net.training
    assert (facts.backbone, facts.method, facts.epoch) == ("resnet18", "mtl", 1)
    assert net.emotion_head.out_features == len(facts.emotions)
