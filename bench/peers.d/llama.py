"""llama.cpp on the GGUF file: llama.py SECTION SHAPE-AS-JSON; prints figures as JSON. See bench/peers."""

import ctypes
import json
import random
import sys
import time

import llama_cpp as ll


class Decoder:
    def __init__(self, model, sequences, length, threads):
        parameters = ll.llama_context_default_params()
        parameters.n_ctx = sequences * ((length + 255) // 256 * 256)
        parameters.n_batch = 4096
        parameters.n_seq_max = sequences
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = ll.llama_init_from_model(model, parameters)
        self.batch = ll.llama_batch_init(4096, 0, 1)
        self.sampler = ll.llama_sampler_init_dist(1)

    def read(self, rows):
        """rows: (sequence, its tokens so far, new tokens); returns a sampled token for each."""
        batch, n, outputs = self.batch, 0, []
        for sequence, past, new in rows:
            for k, token in enumerate(new):
                batch.token[n], batch.pos[n], batch.n_seq_id[n] = token, past + k, 1
                batch.seq_id[n][0], batch.logits[n] = sequence, k == len(new) - 1
                n += 1
            outputs.append(n - 1)
        batch.n_tokens = n
        if ll.llama_decode(self.context, batch) != 0:
            sys.exit("llama_decode failed")
        return [ll.llama_sampler_sample(self.sampler, self.context, i) for i in outputs]

    def close(self):
        ll.llama_sampler_free(self.sampler)
        ll.llama_batch_free(self.batch)
        ll.llama_free(self.context)


def load(path):
    return ll.llama_model_load_from_file(path.encode(), ll.llama_model_default_params())


def run(model, sequences, shape):
    """Tokens/s of reading all sequences' prompts together, and of decoding."""
    prompts = [[random.randrange(3, 49152) for _ in range(shape["prompt"])] for _ in range(sequences)]
    decoder = Decoder(model, sequences, shape["prompt"] + shape["tokens"], shape["threads"])
    begin = time.perf_counter()
    sampled = decoder.read([(s, 0, prompts[s]) for s in range(sequences)])
    middle = time.perf_counter()
    for step in range(shape["tokens"]):
        sampled = decoder.read([(s, shape["prompt"] + step, [sampled[s]]) for s in range(sequences)])
    end = time.perf_counter()
    decoder.close()
    return sequences * shape["prompt"] / (middle - begin), sequences * shape["tokens"] / (end - middle)


def decode(shape):
    model, figures = load(shape["gguf"]), {}
    for sequences in shape["batches"]:
        rates = [run(model, sequences, shape) for _ in range(shape["repeats"])]
        figures[f"decode, batch {sequences}"] = max(rate for _, rate in rates)
    rates = [run(model, 8, {**shape, "tokens": 0}) for _ in range(shape["repeats"])]
    figures["read prompts"] = max(rate for rate, _ in rates)
    return figures


def load_gguf(shape):
    begin = time.perf_counter()
    decoder = Decoder(load(shape["gguf"]), 1, 256, shape["threads"])
    seconds = time.perf_counter() - begin
    decoder.close()
    return {"load GGUF": seconds}


random.seed(1)
quiet = ll.llama_log_callback(lambda *_: None)
ll.llama_log_set(quiet, ctypes.c_void_p(0))
ll.llama_backend_init()
print(json.dumps({"decode": decode, "load": load_gguf}[sys.argv[1]](json.loads(sys.argv[2]))))
