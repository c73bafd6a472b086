"""TRL's GRPOTrainer in bf16: grpo.py SECTION SHAPE-AS-JSON; prints figures as JSON. See bench/peers."""

import json
import os
import random
import statistics
import sys
import tempfile
import time

import torch
import transformers
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

shape = json.loads(sys.argv[2])
torch.set_num_threads(shape["threads"])
transformers.logging.set_verbosity_error()
random.seed(1)
tokenizer = transformers.AutoTokenizer.from_pretrained(shape["directory"])


def prompt():
    """A text of exactly so many tokens."""
    words = [" dog", " cat", " red", " blue", " one", " two"]
    text = "".join(random.choice(words) for _ in range(shape["grpo_prompt"]))
    assert len(tokenizer(text)["input_ids"]) == shape["grpo_prompt"]
    return text


class Ends(transformers.TrainerCallback):
    times = []

    def on_step_end(self, *args, **kwargs):
        self.times.append(time.perf_counter())


rows = shape["grpo_prompts"] * shape["group"]
with tempfile.TemporaryDirectory() as folder:
    config = GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=True,
        model_init_kwargs={"dtype": torch.bfloat16},
        optim="adamw_torch_fused",
        learning_rate=1e-6,
        per_device_train_batch_size=rows,
        num_generations=shape["group"],
        max_completion_length=shape["completion"],
        generation_kwargs={"min_new_tokens": shape["completion"]},
        beta=0.0,
        temperature=1.0,
        gradient_checkpointing=False,
        max_steps=1 + shape["updates"],
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=shape["directory"],
        args=config,
        reward_funcs=lambda completions, **_: [random.random() for _ in completions],
        train_dataset=Dataset.from_list([{"prompt": prompt()} for _ in range(4 * shape["grpo_prompts"])]),
        processing_class=tokenizer,
        callbacks=[Ends],
    )
    out = sys.stdout
    sys.stdout = open(os.devnull, "w")  # its log
    trainer.train()
    sys.stdout = out
times = Ends.times
print(json.dumps({"GRPO update": statistics.median(b - a for a, b in zip(times, times[1:]))}))
