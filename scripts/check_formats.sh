#!/usr/bin/env bash
# Asks Label Studio's and doccano's own code what it thinks of our templates and files: bash scripts/check_formats.sh [FOLDER]
# Some minutes. Needs the environment of `make` (. .venv/bin/activate) and a package index: both tools get environments of their own
# in FOLDER (default runs/check_formats), since what they pin does not go with what nisba needs.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/check_formats} seeds=seeds/articles.jsonl
mkdir -p "$out"
[ -d "$out/label-studio" ] || python3 -m venv "$out/label-studio"
[ -d "$out/doccano" ] || python3 -m venv "$out/doccano"
"$out/label-studio/bin/pip" install --quiet --disable-pip-version-check 'label-studio-sdk==2.1.2'
"$out/doccano/bin/pip" install --quiet --disable-pip-version-check 'doccano==1.8.4' 'marshmallow<4' 'numpy<2'

# Label Studio's checks of a labelling configuration, annotations and predictions.
nisba convert "$seeds" "$out/tasks.json" --to label-studio
"$out/label-studio/bin/python" scripts/check_formats/label_studio.py configs/annotation/label_studio.xml "$out/tasks.json"

# Into a database of doccano and out of it again: the same documents.
nisba convert "$seeds" "$out/import.jsonl" --to doccano
"$out/doccano/bin/python" scripts/check_formats/doccano.py "$out/import.jsonl" configs/annotation/doccano "$out/export.jsonl"
nisba convert "$out/export.jsonl" "$out/back.jsonl" --from doccano
cmp "$seeds" "$out/back.jsonl"
echo "doccano gives back every document as it was"
