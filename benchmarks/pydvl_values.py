"""
Values of rows by pyDVL; runs in its own environment, and imports nothing of ours.

Reads jobs from a file, prints what each took, and writes its values.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from pydvl.valuation import Dataset, KNNShapleyValuation
from sklearn.neighbors import KNeighborsClassifier


def valued(points, labels, tests, wanted, neighbours):  # noqa: ANN001, ANN201
    """Value rows; give values by number of row, wall seconds and CPU seconds."""
    method = KNNShapleyValuation(
        KNeighborsClassifier(n_neighbors=neighbours),
        Dataset(tests, wanted),
        progress=False,
    )
    rows = Dataset(points, labels)
    wall, cpu = time.perf_counter(), time.process_time()
    found = method.fit(rows).result
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    values = np.empty(len(points))
    values[found.indices] = found.values
    return values, wall, cpu


def main() -> None:
    """Do every job, one after the other."""
    warnings.filterwarnings("ignore")
    few = np.arange(16.0).reshape(8, 2)
    valued(few, np.arange(8) % 2, few, np.arange(8) % 2, 3)  # loads what it needs
    for job in json.loads(Path(sys.argv[1]).read_text()):
        with np.load(job["rows"]) as given:
            rows = [given[name] for name in given.files]
        values, wall, cpu = valued(*rows, job["neighbours"])
        np.save(job["values"], values)
        print(json.dumps({"wall": wall, "cpu": cpu}))


if __name__ == "__main__":
    main()
