"""PyTorch and transformers in bf16: hf.py SECTION SHAPE-AS-JSON; prints figures as JSON. See bench/peers."""

import json
import sys
import time

import torch
import transformers


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def best(work, repeats):
    return min(seconds(work) for _ in range(repeats))


def tokens(model, *size):
    return torch.randint(3, model.config.vocab_size, size)


def load(path):
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)
    model.generation_config.eos_token_id = None  # a response has the length that is asked for
    model.generation_config.pad_token_id = 0
    return model


def generate(model, ids, n):
    with torch.inference_mode():
        return model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, do_sample=True, temperature=1.0, top_k=0, top_p=1.0
        )


def decode(shape):
    model, repeats = load(shape["directory"]), shape["repeats"]
    generate(model, tokens(model, 1, 8), 4)  # warm
    figures = {}
    for batch in shape["batches"]:
        ids = tokens(model, batch, shape["prompt"])
        first = best(lambda: generate(model, ids, 1), repeats)
        whole = best(lambda: generate(model, ids, 1 + shape["tokens"]), repeats)
        figures[f"decode, batch {batch}"] = batch * shape["tokens"] / (whole - first)
    ids = tokens(model, 8, shape["prompt"])
    figures["read prompts"] = ids.numel() / best(lambda: generate(model, ids, 1), repeats)
    return figures


def rollout(shape):
    """Every turn is generated from the whole conversation so far, all episodes in one batch."""
    model = load(shape["directory"])
    generate(model, tokens(model, 1, 8), 4)

    def play():
        episodes = tokens(model, shape["episodes"], shape["prompt"])
        for turn in range(shape["turns"]):
            if turn:
                episodes = torch.cat([episodes, tokens(model, shape["episodes"], shape["observation"])], 1)
            episodes = generate(model, episodes, shape["answer"])

    return {"rollout": shape["episodes"] * shape["turns"] * shape["answer"] / best(play, 2)}


def train(shape):
    model = load(shape["directory"]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    ids = tokens(model, 4, 512)

    def step():
        model(ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    return {"training step": ids.numel() / best(step, 2)}


def load_gguf(shape):
    folder, _, name = shape["gguf"].rpartition("/")
    return {
        "load GGUF": seconds(
            lambda: transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16)
        )
    }


torch.manual_seed(1)
shape = json.loads(sys.argv[2])
torch.set_num_threads(shape["threads"])
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
sections = {"decode": decode, "rollout": rollout, "train": train, "load": load_gguf}
print(json.dumps(sections[sys.argv[1]](shape)))
