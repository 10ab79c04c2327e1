"""The console script where the package is not installed: python -m vsim_tf COMMAND"""

from vsim_tf.cli.main import main

if __name__ == "__main__":
    main()
