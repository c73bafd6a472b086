"""Searches with PyPI's bm25s and with ours in turns and compares them; see bench/searchqa."""

import json
import statistics
import subprocess
import sys
import time

import bm25s

RESULTS = 3
ROUNDS = 3


def ours(program, folder):
    """Milliseconds and found passages of each question."""
    command = [program, "--json", "--index", f"{folder}/index", "--questions", f"{folder}/train.jsonl"]
    row = json.loads(subprocess.run([*command, "--passes", "1"], check=True, capture_output=True, text=True).stdout)
    return row["ms"], row["found"]


def theirs(model, questions):
    times, found = [], []
    for question in questions:
        begin = time.process_time()
        tokens = bm25s.tokenize([question], stopwords="en", show_progress=False)
        documents, _ = model.retrieve(tokens, k=RESULTS, show_progress=False)
        times.append(1000 * (time.process_time() - begin))
        found.append(documents[0].tolist())
    return times, found


def main():
    program, folder = sys.argv[1:]
    with open(f"{folder}/train.jsonl") as file:
        questions = [json.loads(line)["question"] for line in file]
    with open(f"{folder}/corpus.jsonl") as file:
        corpus = [json.loads(line)["contents"] for line in file]
    begin = time.process_time()
    tokens = bm25s.tokenize(corpus, stopwords="en", show_progress=False)
    models = {}
    for backend in ("numba", "numpy"):
        models[backend] = bm25s.BM25(method="lucene", k1=0.9, b=0.4, backend=backend)
        models[backend].index(tokens, show_progress=False)
        if backend == "numba":
            print(f"bm25s's index: {time.process_time() - begin:.1f} s of processor")
            theirs(models[backend], questions[:5])  # compiles
    del tokens
    print(f"{len(corpus):,} passages, {len(questions)} searches of {RESULTS}, {ROUNDS} rounds in turns")
    times = {"sojourn": [], "bm25s numba": [], "bm25s numpy": []}
    for _ in range(ROUNDS):
        ms, found = ours(program, folder)
        times["sojourn"] += ms
        for backend, model in models.items():
            ms, peer_found = theirs(model, questions)
            times[f"bm25s {backend}"] += ms
    print(f"{'ms a search':14}{'mean':>9}{'median':>9}{'99%':>9}{'worst':>9}")
    for name, ms in times.items():
        ms = sorted(ms)
        row = [statistics.mean(ms), statistics.median(ms), ms[int(0.99 * (len(ms) - 1))], ms[-1]]
        print(f"{name:14}" + "".join(f"{value:9.3f}" for value in row))
    best = min(statistics.mean(ms) for name, ms in times.items() if name != "sojourn")
    print(f"ratio of the means: {best / statistics.mean(times['sojourn']):.0f}")
    first = statistics.mean(a[:1] == b[:1] for a, b in zip(found, peer_found))
    same = statistics.mean(len(set(a) & set(b)) / RESULTS for a, b in zip(found, peer_found))
    print(f"same first passage {100 * first:.1f}%, same passages {100 * same:.1f}% (ties may differ)")


if __name__ == "__main__":
    main()
