"""Fine-tunes one model on scored pairs: python train_pair.py --model=uniter_asl --folds=0-10 --output_dir=output"""

from pathlib import Path

from vsim_tf import flags, registry
from vsim_tf.errors import UserError


def main():
    options = flags.FLAGS
    model_folder = Path(options.output_dir) / options.model
    patterns = (options.train_record_pattern, options.val_record_pattern)
    if any(patterns) and (not all(patterns) or options["folds"].present):
        raise UserError("--train_record_pattern and --val_record_pattern go together and exclude --folds")
    if options["run_name"].present and not all(patterns):
        raise UserError("--run_name names the run of --train_record_pattern and --val_record_pattern; runs of --folds have names")
    folds = [] if all(patterns) else flags.parse_folds(options.folds)
    pretrained = Path(options.pretrained_dir or model_folder / "pretrain")
    folds_dir = Path(options.folds_dir or Path(options.output_dir) / "folds")
    flags.require_existing(str(pretrained), str(folds_dir) if folds else None)

    with flags.quiet_imports():
        from vsim_tf.training.device import use_deterministic_kernels
        from vsim_tf.training.finetuning import finetune, fold_run, pattern_run
        from vsim_tf.training.run_folder import read_model_config

    recipe = registry.recipe(read_model_config(pretrained).recipe)
    training = flags.training_config(registry.model_spec(options.model).finetune.replace(**recipe.finetune))
    use_deterministic_kernels(options.deterministic)
    runs = [fold_run(model_folder, folds_dir, fold) for fold in folds]
    runs = runs or [pattern_run(model_folder, options.run_name, *patterns)]
    finetune(options.model, pretrained, runs, training, options.overwrite, options.keep_optimizer)


if __name__ == "__main__":
    flags.define_pair()
    flags.run(main, __doc__)
