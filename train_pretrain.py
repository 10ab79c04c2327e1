"""Pre-trains one model on tagged videos: python train_pretrain.py --model=uniter_asl --data_dir=data --output_dir=output"""

from vsim_tf import flags


def main():
    options = flags.pretrain_options()
    with flags.quiet_imports():
        from vsim_tf.training.device import use_deterministic_kernels
        from vsim_tf.training.pretraining import pretrain

    use_deterministic_kernels(flags.FLAGS.deterministic)
    pretrain(options)


if __name__ == "__main__":
    flags.define_pretrain()
    flags.run(main, __doc__)
