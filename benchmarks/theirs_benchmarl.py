"""BenchMARL's side of the speed comparisons: a worker with the same protocol as `ours.py`.

Set-up (a virtual environment of its own):
    python3.11 -m venv V && V/bin/pip install torch==2.13.0
    V/bin/pip install benchmarl==1.5.2 vmas==1.5.2      # pulls torchvision, which may replace torch:
    V/bin/pip install --no-deps torch==2.13.0           # puts the CPU build back (torchvision is not needed)
    V/bin/python benchmarks/theirs_benchmarl.py train:mappo:64

MAPPO or IPPO on VMAS' simple_spread (3 agents, discrete actions): two tanh layers of 64, rollouts of 128 steps, 4 passes
over 4 minibatches, both cores, no evaluation, no logs. BenchMARL owns its loop, so the worker waits inside it, at the end
of an iteration; TORCH_THREADS (default: all cores) sets how many cores torch uses.
"""

import json
import os
import sys
import tempfile
import time

import torch
from benchmarl.experiment import Callback

LENGTH = 128  # steps gathered from each game per iteration
WARM = 2  # iterations before the first measurement


class Turns(Callback):  # at module level: BenchMARL pickles it
    """Counts iterations and, whenever one measurement's worth is done, answers and waits to be told to go on."""

    def __init__(self, updates: int, batch: int, began: float):
        super().__init__()
        self.updates, self.batch, self.began = updates, batch, began
        self.left, self.wall, self.cpu = WARM, 0.0, 0.0
        self.warm = False

    def on_train_end(self, training_td, group: str) -> None:
        if self.left == WARM and not self.warm:  # the first iteration is what others spend on compiling
            self.compiled = time.perf_counter() - self.began
        self.left -= 1
        if self.left:
            return
        if self.warm:
            spent = {"seconds": time.perf_counter() - self.wall, "cpu_seconds": time.process_time() - self.cpu}
            print(json.dumps(spent), flush=True)
        else:
            steps = self.updates * self.batch * LENGTH
            print(json.dumps({"ready": True, "steps": steps, "compile_seconds": self.compiled}), flush=True)
        self.warm = True
        if not sys.stdin.readline():
            os._exit(0)  # nobody asks any more, and BenchMARL would train on
        self.left, self.wall, self.cpu = self.updates, time.perf_counter(), time.process_time()


def experiment(name: str, batch: int, turns: Turns):
    from benchmarl.algorithms import IppoConfig, MappoConfig
    from benchmarl.environments import VmasTask
    from benchmarl.experiment import Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig

    config = ExperimentConfig.get_from_yaml()
    config.loggers, config.create_json, config.evaluation, config.render = [], False, False, False
    config.prefer_continuous_actions = False
    config.on_policy_collected_frames_per_batch = batch * LENGTH
    config.on_policy_n_envs_per_worker = batch
    config.on_policy_minibatch_size = batch * LENGTH // 4
    config.on_policy_n_minibatch_iters = 4
    config.max_n_frames, config.max_n_iters = None, 1_000_000
    config.save_folder = tempfile.mkdtemp()
    network = MlpConfig(num_cells=[64, 64], layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh)
    return Experiment(
        task=VmasTask.SIMPLE_SPREAD.get_from_yaml(),
        algorithm_config={"mappo": MappoConfig, "ippo": IppoConfig}[name].get_from_yaml(),
        model_config=network,
        critic_model_config=network,
        seed=0,
        config=config,
        callbacks=[turns],
    )


def main() -> None:
    kind, name, batch = sys.argv[1].split(":")
    if kind != "train":
        raise SystemExit(f"BenchMARL is measured training only: write train:{name}:{batch}")
    extra = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    torch.set_num_threads(int(os.environ.get("TORCH_THREADS", os.cpu_count() or 1)))
    turns = Turns(extra.get("updates", 2), int(batch), time.perf_counter())
    experiment(name, int(batch), turns).run()


if __name__ == "__main__":
    main()
