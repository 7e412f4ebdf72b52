import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "bench" / "kill_run.py"


def test_two_kills_change_no_bit_of_the_outcome(tiny_dataset):
    network = [
        "--method",
        "mml",
        "--backbone",
        "shufflenet_v2_x0_5",
        "--image-size",
        "32",
        "--batch-size",
        "8",
    ]
    often = ["--epochs", "3", "--momentum", "0.9", "--augment", "standard", "--checkpoint-every", "0"]
    command = [sys.executable, SCRIPT, tiny_dataset, "--kills", "2", "--", *network, *often]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 kills: weights, metrics, predictions and history are identical" in result.stdout
