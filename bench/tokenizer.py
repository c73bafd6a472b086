"""Encodes the same texts with PyPI's tokenizers and with ours, in turns; see bench/tokenizer."""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracles"))
PASSES = 3


def documents(pattern):
    """Files of the project, cut into texts of about 2,000 characters at line ends."""
    texts = []
    for path in sorted(ROOT.glob(pattern)):
        text = ""
        for line in path.read_text().splitlines(keepends=True):
            text += line
            if len(text) > 2000:
                texts.append(text)
                text = ""
        texts.append(text)
    return texts


def theirs(tokenizer, texts):
    best, checksum = None, 0
    for _ in range(1 + PASSES):  # the first warms its cache
        begin = time.perf_counter()
        # The fast form makes no offsets: ids are all that is compared.
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        seconds = time.perf_counter() - begin
        best = seconds if best is None else min(best, seconds)
    for encoding in encodings:
        for token in encoding.ids:
            checksum = (checksum * 31 + token) % 1000000007
    return best, checksum


def ours(program, path, texts):
    out = subprocess.run(
        [program, "encode", path], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    result = json.loads(out.stdout)
    return result["seconds"], result["checksum"]


def main():
    program, rounds, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    observations = json.loads(
        subprocess.run([program, "observations"], capture_output=True, text=True, check=True).stdout
    )
    corpora = {
        "English": documents("docs/*.md") + documents("*.md"),
        "code": documents("*/*.cc"),
        "observations": observations,
    }
    with tempfile.TemporaryDirectory() as folder:
        if not files:
            import families

            texts = [text for corpus in corpora.values() for text in corpus]
            for name, tokenizer in families.train(texts, 8000).items():
                tokenizer.save(f"{folder}/{name}.json")
                files.append(f"{folder}/{name}.json")
        for path in files:
            tokenizer = Tokenizer.from_file(path)
            tokenizer.encode_special_tokens = True
            for name, texts in corpora.items():
                times = []
                for _ in range(rounds):
                    they, their_sum = theirs(tokenizer, texts)
                    we, our_sum = ours(program, path, texts)
                    if their_sum != our_sum:
                        sys.exit(f"{path}: {name}: the ids differ")
                    times.append((they, we))
                size = sum(len(text.encode()) for text in texts) / 1e6
                they, we = (statistics.median(column) for column in zip(*times))
                print(
                    f"{pathlib.Path(path).stem:12} {name:13} {size:5.2f} MB: "
                    f"ours {size / we:6.1f} MB/s, tokenizers {size / they:5.1f} MB/s, "
                    f"{they / we:5.1f} times",
                    flush=True,
                )


if __name__ == "__main__":
    main()
