"""A model on a Ray that is started for the run: the same answers as of one process, and what the command says."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

RUN = """
import signal, sys
from nisba.cli import main
code = main(sys.argv[1:])
assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
sys.exit(code)
"""


def test_the_answers_are_those_of_one_process(model, seeds, tmp_path):
    texts = [line for document in seeds for line in document.text.splitlines() if len(line) > 40][:150]
    pq.write_table(pa.table({"text": [*texts, None], "id": list(range(151))}), tmp_path / "in.parquet")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    options = ["predict", "--model", str(model), "--input", "in.parquet", "--device", "cpu"]

    def run(*arguments):
        command = [sys.executable, "-c", RUN, *options, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    started = run("--engine", "ray", "--workers", "2", "-o", "out")
    assert (started.returncode, started.stdout) == (0, ""), started.stderr
    last = started.stderr.splitlines()[-1]  # behind a word of Ray's own
    assert last.startswith("150 documents, 1 errors, ")
    assert last.endswith(" MB/s: out")
    assert run("-o", "plain.parquet").returncode == 0
    plain = pq.read_table(tmp_path / "plain.parquet")
    assert any(plain.column("claims").to_pylist())
    assert pq.read_table(tmp_path / "out").equals(plain)
    assert (tmp_path / "out.errors.jsonl").read_bytes() == (tmp_path / "plain.parquet.errors.jsonl").read_bytes()
