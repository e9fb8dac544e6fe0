#!/usr/bin/env python3
"""Memory of `sae eval` of several SAEs: what was planned, and the peak resident set (Linux).
  benches/several_memory.py SAE_BINARY MODEL RUN TEXT [ROWS] [CASE...]
RUN is an SAE for the residual stream; copies of it stand at layers of the model."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sae, model, run, text = sys.argv[1:5]
rows = sys.argv[5] if len(sys.argv) > 5 else "16"
wanted = sys.argv[6:]
layers = json.load(open(os.path.join(model, "config.json")))["num_hidden_layers"]
low, middle, high = (layers * part // 6 for part in (1, 3, 5))
CASES = {
    "one": [middle],
    "three": [low, middle, high],
    "three at one hook": [middle] * 3,
    "six": [low, low, middle, middle, high, high],
}

with tempfile.TemporaryDirectory() as work:
    for name, at in CASES.items():
        runs = []
        for number, layer in enumerate(at):
            copy = os.path.join(work, f"l{layer}-{number}")
            if not os.path.exists(copy):
                shutil.copytree(run, copy)
                path = os.path.join(copy, "final_sae", "cfg.json")
                cfg = re.sub(r"blocks\.\d+\.hook", f"blocks.{layer}.hook", open(path).read())
                with open(path, "w") as file:
                    file.write(cfg)
            runs += ["--sae", copy]
        for more in ([], ["--together"]):
            case = " ".join([name, *more])
            if wanted and case not in wanted:
                continue
            call = [sae, "eval", *runs, *more, "--model", model, "--dataset", text, "--sequences", rows, "--quiet"]
            plan = json.loads(subprocess.run([*call, "--plan", "--json"], capture_output=True, check=True).stdout)
            silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
            pid = os.posix_spawn(sae, call, os.environ, file_actions=silent)
            _, status, usage = os.wait4(pid, 0)
            assert status == 0, f"{case}: failed"
            planned, used = plan["total_bytes"] / 2**20, usage.ru_maxrss / 1024
            print(f"{case}: planned {planned:.0f} MiB, used {used:.0f}: {100 * (planned / used - 1):+.1f} %", flush=True)
