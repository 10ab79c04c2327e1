"""Learning rate and clipping of fine-tuning, chosen by Optuna by Spearman on the validation pairs of fold 0.

    python examples/tune.py --pretrained=output/demo/uniter/pretrain --folds=output/demo/folds --work=tuned --trials=20

The best of many trials is too good for these pairs: compare the chosen flags with the defaults on other folds.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import optuna

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("pretrained", "folds", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("flags", nargs="*", help="more flags of train_pair.py, behind --")
    options = parser.parse_args()
    model = json.loads((options.pretrained / "config.json").read_text(encoding="utf-8"))["model"]["name"]

    def score(trial: optuna.Trial) -> float:
        chosen = {
            "lr": trial.suggest_float("lr", 1e-5, 1e-3, log=True),
            "bert_lr": trial.suggest_float("bert_lr", 1e-6, 1e-4, log=True),
        }
        chosen["clip_norm"] = trial.suggest_categorical("clip_norm", [0.0, 1.0])
        output = options.work / f"trial-{trial.number:03d}"
        where = [
            f"--model={model}",
            f"--pretrained_dir={options.pretrained}",
            f"--folds_dir={options.folds}",
            f"--output_dir={output}",
        ]
        flags = [f"--{name}={value}" for name, value in chosen.items()]
        subprocess.run([sys.executable, str(ROOT / "train_pair.py"), *where, "--folds=0", *flags, *options.flags], check=True)
        summary = json.loads((output / model / "fold-00/summary.json").read_text(encoding="utf-8"))
        return summary["best_spearman"]

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(score, n_trials=options.trials)
    print(f"{study.best_value:.4f}:", *(f"--{name}={value}" for name, value in study.best_params.items()))


if __name__ == "__main__":
    main()
