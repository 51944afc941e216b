"""The same with Spark, where there is a Spark cluster already: nisba must be installed on its machines, Ray need not be.

    spark-submit --conf spark.executorEnv.OMP_NUM_THREADS=1 --conf spark.sql.execution.arrow.maxRecordsPerBatch=512 \\
        examples/spark.py runs/quickstart/model articles/ annotated/

``articles/`` holds parquet files with the columns ``id`` and ``text``; ``annotated/`` gets the columns of ``nisba predict -o
OUT.parquet`` and ``error``, which says of a row why it is no document. Every task loads the model, so give it thousands of
articles.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pandas as pd
import pyarrow as pa

from nisba.tables import Annotator, layout

TYPES = {pa.int64(): "bigint", pa.float64(): "double", pa.string(): "string"}


def main() -> None:
    from pyspark.sql import SparkSession

    if len(sys.argv) != 4:
        sys.exit("usage: spark-submit examples/spark.py MODEL ARTICLES ANNOTATED")
    model, source, output = sys.argv[1:]
    spark = SparkSession.builder.appName("nisba").getOrCreate()
    articles = spark.read.parquet(source).select("id", "text")
    articles.mapInPandas(annotate(model), columns(layout())).write.parquet(output)
    spark.stop()


def annotate(model: str) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """What Spark runs in a task: tables of articles in, tables of documents out."""

    def task(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        annotator = Annotator(model)
        for frame in frames:
            yield annotator(pa.Table.from_pandas(frame, preserve_index=False)).to_pandas()

    return task


def columns(schema: pa.Schema) -> str:
    """The columns of a table as Spark writes them."""
    return ", ".join(f"`{field.name}` {kind(field.type)}" for field in schema)


def kind(of: pa.DataType) -> str:
    if pa.types.is_list(of):
        return f"array<{kind(of.value_type)}>"
    if pa.types.is_struct(of):
        return f"struct<{', '.join(f'`{field.name}`: {kind(field.type)}' for field in of)}>"
    return TYPES[of]


if __name__ == "__main__":
    main()
