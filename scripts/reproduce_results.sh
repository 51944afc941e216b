#!/usr/bin/env bash
# Rebuilds the figures of README and CONTRIBUTING that are about accuracy, into runs/results: bash scripts/reproduce_results.sh [SEED …]
# Speakers on held-out seeds are a fair measure for seed 0 alone: the weights of their choice have seen some of those of other seeds.
# Some hours on 2 cores. Needs the environment of `make` (. .venv/bin/activate) and ANT's texts: the network, or ANT=PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
out=runs/results seeds=("${@:-0}")
export OMP_WAIT_POLICY=PASSIVE ACCELERATE_MIXED_PRECISION="${ACCELERATE_MIXED_PRECISION:-bf16}"
mkdir -p "$out"
nisba data join ant ${ANT:+--source "$ANT"}
dev=runs/data/ant/dev.jsonl

score() { nisba evaluate --predictions "$1" --gold "$dev" -o "$2" | tee "${2%.json}.txt"; }

for seed in "${seeds[@]}"; do
    for config in quickstart joint; do # on the seeds alone, and with ANT's training part
        run="$out/$config-$seed"
        accelerate launch --quiet train.py --config "configs/$config.yaml" --set "train.seed=$seed" --set "output=$run"
        nisba evaluate --model "$run/model" --data "$run/data/documents/test.jsonl" -o "$run/report.json" > "$run/report.txt"
        nisba predict --model "$run/model" --input "$dev" -o "$run/ant-dev.jsonl"
        score "$run/ant-dev.jsonl" "$run/ant-dev.json"
    done
    data="$out/joint-$seed/data/documents"
    for kind in bio parallel; do # what token classifiers do, on the same articles
        run="$out/$kind-$seed"
        python scripts/baselines/tagging.py --kind "$kind" --front --train "$data/train.jsonl" --dev "$data/dev.jsonl" \
            --predict "$dev" --seed "$seed" -o "$run"
        score "$run/dev.jsonl" "$run/report.json"
    done
done

# The choice of speakers: its accuracy on gold names and claims, and the weights that nisba ships (those of seed 0).
python scripts/fit_speakers.py "$out/joint-${seeds[0]}/data/documents/train.jsonl" -o "$out/candidates.json" | tee "$out/speakers.txt"

python scripts/baselines/rules.py "$dev" -o "$out/rules.jsonl"
score "$out/rules.jsonl" "$out/rules.json"

# Names: plain fine-tuning and nisba on the same sentences of ANERcorp (ANERCORP=PATH of its training file).
if [ -n "${ANERCORP:-}" ]; then
    nisba data convert anercorp --source "$ANERCORP"
    python scripts/baselines/names.py runs/data/anercorp/train.jsonl -o "$out/run_ner" --layers 8 --learning-rate 1e-4 --epochs 5
    nisba evaluate --predictions "$out/run_ner/predictions.jsonl" --gold "$out/run_ner/dev.jsonl" -o "$out/run_ner/report.json"
    accelerate launch --quiet train.py --config configs/quickstart.yaml --set data.paths=[] --set "data.train_paths=[$out/run_ner/train.jsonl]" \
        --set "data.dev_paths=[$out/run_ner/dev_whole.jsonl]" --set train.metric=names.strict.f1 --set train.adversarial=1.0 --set train.epochs=5 --set "output=$out/nisba_ner"
    nisba predict --model "$out/nisba_ner/model" --input "$out/run_ner/dev.jsonl" -o "$out/nisba_ner/predictions.jsonl"
    nisba evaluate --predictions "$out/nisba_ner/predictions.jsonl" --gold "$out/run_ner/dev.jsonl" -o "$out/nisba_ner/report.json"
fi
