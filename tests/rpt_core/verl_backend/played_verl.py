"""Plays verl for tests of the stage that watches it: takes its command line and writes what it writes, in seconds.

RPT_PLAYED says how: `well`, `slow` (a second a step), `full disk` or `bug` (it ends at step 3), `dead engine` or `lost
node` (it waits for ever at step 3), `another's node` (one is lost that is not verl's), `two stages` (the second half of
a dump comes after the metrics), `not finite` (the gradient at step 3), `loss not finite` and `log-prob not finite` (at
step 3, where verl learns all the same), `weights not finite` and `output not finite` (of its checkpoint of step 4),
`daemon` (slow, and leaves a process in a session of its own).
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer

from rpt_core.files import write_whole
from rpt_core.seeds import derive_seed
from rpt_core.verl_backend.reward import compute_score
from rpt_core.verl_backend.rows import DrawnRows

HOW = os.environ.get("RPT_PLAYED", "well")


def settings():
    pairs = (word.lstrip("+").partition("=") for word in sys.argv[1:])
    return {key: yaml.safe_load(value.replace(":", ": ") if value[0] == "{" else value) for key, _, value in pairs}


class Player:
    def __init__(self):
        self.settings = settings()
        model = Path(self.settings["actor_rollout_ref.model.path"])  # read without transformers, which takes seconds
        self.config = model / "config.json"
        self.weights = load_file(model / "model.safetensors")
        self.weights.setdefault(
            "lm_head.weight", self.weights["model.embed_tokens.weight"]
        )  # verl saves a tied one, too
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.end = json.loads(self.config.read_text())["eos_token_id"]
        self.rows = DrawnRows(self.settings["data.train_files"])
        self.batch, self.n = self.settings["data.train_batch_size"], self.settings["actor_rollout_ref.rollout.n"]
        agent_loop = self.settings["actor_rollout_ref.rollout.agent.agent_loop_config_path"]
        [self.agent] = yaml.safe_load(Path(agent_loop).read_text())
        self.metrics = Path(os.environ["VERL_FILE_LOGGER_PATH"])
        self.metrics.write_bytes(b"")
        self.dumps = Path(self.settings["trainer.rollout_data_dir"])
        self.checkpoints = Path(self.settings["trainer.default_local_dir"])

    def resolve(self):
        """Write the configuration, as hydra does for verl."""
        nested = {}
        for key, value in self.settings.items():
            *parts, last = key.split(".")
            place = nested
            for part in parts:
                place = place.setdefault(part, {})
            place[last] = value
        write_whole(Path(nested.pop("hydra")["callbacks"]["rpt"]["path"]), json.dumps(nested).encode())

    def play(self):
        self.resolve()
        resumed = self.settings["trainer.resume_from_path"]
        first = int(resumed.rsplit("_", 1)[1]) if resumed else 0
        last = self.settings["trainer.total_training_steps"]
        for step in range(first + 1, last + 1):
            if HOW in ("slow", "daemon"):
                time.sleep(1)
            self.step(step)
            if step % self.settings["trainer.save_freq"] == 0 or step == last:
                self.save(step)
            if HOW != "two stages":
                self.log(step)
            if step == 3 and HOW == "full disk":
                raise OSError(28, "No space left on device")
            if step == 3 and HOW == "dead engine":
                print("vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.", flush=True)
                time.sleep(600)
            if step == 3 and HOW in ("lost node", "another's node"):
                lose_node("10.9.8.7" if HOW == "lost node" else "10.9.8.6")
                time.sleep(2)
            if step == 3 and HOW == "lost node":
                wait_for_ever()
            if step == 3 and HOW == "bug":
                raise AssertionError("never met before")

    def step(self, step):
        dumped = []
        for draw in range((step - 1) * self.batch, step * self.batch):
            row = self.rows[draw]
            for sample in range(self.n):
                score, uid = self.respond(step, draw, row, sample), f"uid-{step}-{draw}_{sample}_0"
                dumped.append({"input": "x", "output": "x", "gts": "x", "score": score, "step": step, "uid": uid})
        text = "".join(json.dumps(line) + "\n" for line in dumped)
        with (self.dumps / f"{step}.jsonl").open("w") as file:
            middle = len(text) // 2 if HOW == "two stages" else len(text)
            file.write(text[:middle])
            file.flush()
            if text[middle:]:
                self.log(step)
                time.sleep(1.2)
                file.write(text[middle:])

    def respond(self, step, draw, row, sample):
        """The right first token, or a wrong one, at random."""
        info = row["extra_info"]
        truth = bytes.fromhex(info["completion_hex"])[: info["boundaries"][0]].decode()
        is_right = derive_seed(step, draw, sample) % 2 == 0
        text = f"hm</think>\\boxed{{{truth if is_right else '?'}}}"
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        extra = {**info, "response_hex": text.encode().hex(), "finished": True}
        arguments = self.settings["reward.custom_reward_function.reward_kwargs"]
        result = compute_score("rpt", "", row["reward_model"]["ground_truth"], extra, **arguments)
        trace = {
            "step": step,
            "uid": f"uid-{step}-{draw}",
            "sample": sample,
            "draw": draw,
            "index": info["index"],
            "token_ids": [*ids, self.end],
            "log_probs": [-0.5] * len(ids) + [float("nan") if step == 3 and HOW == "log-prob not finite" else -0.5],
            "finished": True,
        }
        with (Path(self.agent["traces"]) / f"{step}-host-1.jsonl").open("a") as file:
            file.write(json.dumps(trace) + "\n")
        return result["score"]

    def save(self, step):
        actor = self.checkpoints / f"global_step_{step}" / "actor"
        (actor / "huggingface").mkdir(parents=True)
        shutil.copy(self.config, actor / "huggingface")
        weights = {name: tensor + 1e-6 * step for name, tensor in self.weights.items()}
        if step == 4 and HOW == "weights not finite":
            next(iter(weights.values()))[0, 0] = float("nan")
        if step == 4 and HOW == "output not finite":  # each weight is a number, their products are none
            weights = {name: tensor * 0 + 3e38 if "norm" in name else tensor for name, tensor in weights.items()}
        torch.save(weights, actor / "model_world_size_1_rank_0.pt")

    def log(self, step):
        norm = float("nan") if HOW == "not finite" and step == 3 else 0.25
        loss = float("nan") if HOW == "loss not finite" and step == 3 else 0.125
        data = {"actor/grad_norm": norm, "actor/lr": 1.0, "actor/loss": loss, "actor/entropy": float("nan")}
        data |= {"timing_s/gen": 2.0, "timing_s/update_actor": 1.0, "timing_s/old_log_prob": 0.5, "timing_s/step": 4.0}
        data |= {"training/rollout_probs_diff_mean": 1e-6, "training/rollout_probs_diff_max": 1e-5}
        with self.metrics.open("a") as file:
            file.write(json.dumps({"step": step, "data": data}).replace("NaN", "null") + "\n")


def lose_node(address):
    print(
        f"\033[33m(raylet)\033[0m The node with node id: 88f and address: {address} and node name: {address} has been "
        "marked dead because the detector has missed too many heartbeats from it.",
        flush=True,
    )


def wait_for_ever():
    while True:
        print("INFO:2026-11-25 15:47:49,432:pending: 0, running: 8, finished: 0, failure: 0", flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    if HOW == "daemon":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print("Started a local Ray instance.", flush=True)
    print("\033[36m(WorkerDict pid=120, ip=10.9.8.7)\033[0m loading", flush=True)
    Player().play()
