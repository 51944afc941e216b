"""The Space: the demo of MODEL, or of the model that the Space's variable NISBA_MODEL names."""

import os

import nisba
from nisba.demo import launch

MODEL = ""  # nisba.demo.space_files writes the model's name here

if __name__ == "__main__":
    launch(nisba.load(os.environ.get("NISBA_MODEL") or MODEL))
