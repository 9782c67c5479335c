"""TRL's side of `language.py`: a worker with the same protocol, one optimizer step of `GRPOTrainer` per line it reads.

Set-up (a virtual environment of its own):
    python3.11 -m venv V && V/bin/pip install torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 peft==0.21.2 \
        accelerate==1.15.0 trl==1.16.0 datasets==5.2.0 numpy==2.4.6 safetensors==0.8.0
It reads the model that Interplay has converted: run `python -c "from interplay.lm import smollm; smollm.folder()"` once.
Its own best settings: no gradient checkpointing, no reference model, generation with a cache.
"""

import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

ANIMALS = ["cats", "dogs", "whales", "owls", "bees", "frogs", "wolves", "horses", "ants", "bears"]
CACHE = Path(os.environ.get("INTERPLAY_CACHE") or Path.home() / ".cache" / "interplay")


class Turns(TrainerCallback):
    """Waits for a line before each step and tells what the step took."""

    def __init__(self):
        self.began, self.tokens, self.ready, self.clock = time.perf_counter(), 0, False, None

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 0:
            return
        if not self.ready:
            print(json.dumps({"steps": 1, "compile_seconds": time.perf_counter() - self.began}), flush=True)
            self.ready = True
        if not sys.stdin.readline():
            control.should_training_stop = True
        self.tokens, self.clock = 0, (time.perf_counter(), time.process_time())

    def on_step_end(self, args, state, control, **kwargs):
        if self.clock is None:
            return
        wall, cpu = time.perf_counter() - self.clock[0], time.process_time() - self.clock[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        told = {"seconds": wall, "cpu_seconds": cpu, "tokens": self.tokens, "peak_mb": peak}
        print(json.dumps(told), flush=True)


def main() -> None:
    extra = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    group, tasks, limit = extra.get("group", 8), extra.get("tasks", 1), extra.get("limit", 16)
    torch.set_num_threads(1)
    folder = next(CACHE.glob("models/smollm2-135m-instruct-*"))
    tokenizer, turns = AutoTokenizer.from_pretrained(folder), Turns()

    def worth(prompts, completions, completion_ids, **kwargs):
        asked = [tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"] for prompt in prompts]
        turns.tokens += sum(map(len, asked)) + sum(map(len, completion_ids))
        texts = [one[0]["content"] for one in completions]
        return [text.count("e") / max(len(text), 1) for text in texts]

    draw = random.Random(0)
    ask = lambda animal: f"Tell me one surprising fact about {animal} in a short sentence."
    say = lambda role, content: {"role": role, "content": content}
    rows = [[say("user", ask(draw.choice(ANIMALS)))] for _ in range(1000)]
    settings = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=group * tasks,
        num_generations=group,
        steps_per_generation=1,
        gradient_accumulation_steps=1,
        gradient_checkpointing=False,
        max_completion_length=limit,
        learning_rate=1e-5,
        beta=0.0,
        loss_type="grpo",
        temperature=1.0,
        max_steps=1000,
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    lora = LoraConfig(
        r=8, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM"
    )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=worth,
        args=settings,
        train_dataset=Dataset.from_list([{"prompt": row} for row in rows]),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[turns],
    )
    trainer.train()


if __name__ == "__main__":
    main()
