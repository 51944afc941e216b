"""How well training survives being killed: ``python scripts/kill_train.py --kills 50``.

Trainings of a tiny encoder on made-up articles, with dropout, are killed with SIGKILL, half of them after a random part of the time
that they take, half when they open, make, rename or remove a certain file, and started again until they end. The weights must be,
byte for byte, those of a run that nobody disturbed, and the metrics the same but for the times. Checkpoints after every step or
after whole epochs, one process and two, in turn.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count, cycle
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

WORDS = ["الماء", "نظيف", "الخبر", "صحيح", "المدينة", "آمنة", "الطريق", "مفتوح", "العمل", "مستمر", "السوق", "هادئ", "المطر"]
NAMES, CUES = ["ليلى", "سامي", "هدى", "كريم"], ["قال", "أعلن", "أكد"]
WAYS = [(1, 0.0), (2, 0.0), (1, 10.0)]  # processes, train.save_every
EVENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir"}  # as Python's auditing names them
MOST = 5  # kills of one run
TIMES = ("seconds", "subwords_per_second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        kills, runs = disturb(Path(name), kills=options.kills, seed=options.seed)
    print(f"{kills} kills in {runs} runs: the same weights and metrics as without")


def disturb(folder: Path, *, kills: int, seed: int, ways: Sequence[tuple[int, float]] = WAYS) -> tuple[int, int]:
    """Kill until there were ``kills``. Returns how many there were, in how many runs. Raises SystemExit at the first difference."""
    draw = random.Random(seed)
    processes = multiprocessing.get_context("forkserver")  # it imports once what every process needs
    processes.set_forkserver_preload(["nisba.fit"])
    finish([begin(processes, prepare, str(folder), seed)])
    whole, took, moments = {}, {}, {}
    for way in ways:
        output, began = folder / f"whole-{way[0]}-{way[1]}", time.monotonic()
        if not finish(start(processes, output, way, counted=True)):
            sys.exit(log(output))
        took[way], whole[way] = time.monotonic() - began, results(output)
        moments[way] = int(Path(f"{output}.moments").read_text())
    killed = 0
    for runs, way in enumerate(cycle(ways)):
        if killed >= kills:
            return killed, runs
        output = folder / f"run-{runs}"
        for _ in range(min(MOST, kills - killed)):
            at = draw.randrange(moments[way]) if draw.random() < 0.5 else None
            group = start(processes, output, way, at=at)
            if at is None:
                draw.choice(group).join(draw.uniform(0, 1) * took[way])
                draw.choice(group).kill()
            if finish(group):
                break
            killed += 1
            check(output)
        else:
            if not finish(start(processes, output, way)):
                sys.exit(log(output))
        if results(output) != whole[way]:
            sys.exit(f"{output.name}, {way[0]} processes, every {way[1]} minutes: not the results of an undisturbed run")
    raise AssertionError


def start(
    processes: BaseContext, output: Path, way: tuple[int, float], *, at: int | None = None, counted: bool = False
) -> list[BaseProcess]:
    """The processes of one training, of which the first kills itself at a certain moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world, every = way
    return [
        begin(processes, work, str(output), every, rank, world, port, -1 if rank or at is None else at, counted)
        for rank in range(world)
    ]


def begin(processes: BaseContext, target: Any, *arguments: Any) -> BaseProcess:
    process: BaseProcess = processes.Process(target=target, args=arguments)  # type: ignore[attr-defined]
    process.start()
    return process


def finish(group: Sequence[BaseProcess]) -> bool:
    """Whether all end well; as ``torchrun`` does, the others are killed once one has died."""
    while any(process.is_alive() for process in group):
        if any(process.exitcode for process in group):
            for process in group:
                process.kill()
        time.sleep(0.01)
    if any(process.exitcode not in (0, -signal.SIGKILL) for process in group) and len(group) == 1:
        sys.exit("a training failed by itself")
    return not any(process.exitcode for process in group)


def work(output: str, every: float, rank: int, world: int, port: int, at: int, counted: bool) -> None:
    """The training itself, as ``nisba fit`` runs it."""
    folder = Path(output).parent
    stream = os.open(f"{output}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.environ |= {"ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    if world > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": str(world)}
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    from nisba import config
    from nisba.fit import fit

    settings = {
        "data": {"paths": [str(folder / "articles.jsonl")], "dev": 0.2, "test": 0},
        "model": {"encoder": str(folder / "encoder"), "window": 64},
        "train": {
            "epochs": 3,
            "batch": 120,
            "accumulate": 2,
            "save_every": every,
            "learning_rate": 3e-3,
            "head_learning_rate": 1e-2,
        },
        "output": output,
    }
    moments = count()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and str(arguments[0]).startswith(output) and next(moments) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    fit(config.parse(settings, "kill_train"))
    if counted and rank == 0:
        Path(f"{output}.moments").write_text(str(next(moments)))


def prepare(folder: str, seed: int) -> None:
    """Articles, and an encoder with random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from nisba.formats import jsonl

    jsonl.write(articles(random.Random(seed)), Path(folder) / "articles.jsonl")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "إن", ".", *WORDS, *NAMES, *CUES]
    fast = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    encoder = str(Path(folder) / "encoder")
    PreTrainedTokenizerFast(tokenizer_object=fast, model_max_length=128, **special).save_pretrained(encoder)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(pieces), **sizes), add_pooling_layer=False).save_pretrained(encoder)


def articles(draw: random.Random) -> Iterator[Any]:
    """Articles of a few sentences in which somebody says something."""
    from nisba.schema import Claim, Document, Entity, Span

    for number in range(20):
        text, names, claims = "", [], []
        for sentence in range(draw.randint(2, 4)):
            spans = []
            for part in (draw.choice(CUES), draw.choice(NAMES), "إن", " ".join(draw.choices(WORDS, k=draw.randint(3, 8)))):
                spans.append(Span(len(text), len(text) + len(part)))
                text += f"{part} "
            text = f"{text[:-1]}. "
            cue, source, _, content = spans
            names.append(Entity(source, "PER"))
            claims.append(Claim(f"c{sentence}", (content,), (cue,), (source,), source_type="person"))
        yield Document(f"article-{number}", text.strip(), tuple(names), tuple(claims))


def results(output: Path) -> tuple[bytes, bytes, list[dict[str, Any]]]:
    """Weights, configuration and metrics without the times. Raises SystemExit where anything else is left behind."""
    left = sorted(path.name for path in output.iterdir())
    if left != ["config.yaml", "data", "metrics.jsonl", "model"]:
        sys.exit(f"left behind: {', '.join(left)}")
    model = output / "model"
    lines = [{key: value for key, value in line.items() if key not in TIMES} for line in check(output)]
    return (model / "model.safetensors").read_bytes(), (model / "config.json").read_bytes(), lines


def check(output: Path) -> list[dict[str, Any]]:
    """The metrics so far: whole lines, one an epoch. Raises SystemExit where they are not."""
    file = output / "metrics.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    if [line["epoch"] for line in lines] != list(range(1, len(lines) + 1)):
        sys.exit(f"{file}: a gap or a duplicate")
    return lines


def log(output: Path) -> str:
    """The end of what a training has said."""
    return Path(f"{output}.log").read_text(encoding="utf-8")[-2000:]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
