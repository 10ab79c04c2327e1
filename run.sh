#!/bin/sh
# The whole pipeline: records in, result.zip and report.md out.
#
#   sh run.sh                                  demo data, tiny models: 4 to 8 minutes on 2 CPU cores
#   sh run.sh --data_dir=DIR --size=base --bert_dir=DIR --roformer_dir=DIR
#                                              the contest at the 2021 size: days on one GPU (docs/reproduce.md)
#
# Every finished stage is skipped when the same command is run again, and a killed one goes on where it was.
set -eu

usage() {
    cat <<'TEXT'
usage: sh run.sh [--name=value ...]
  --data_dir       contest data (docs/data.md); demo data are made when it is left out
  --output_dir     default: output, for the demo output/demo
  --size           base (default) or tiny
  --bert_dir, --roformer_dir       Hugging Face folders of the encoders
  --bert_vocab, --roformer_vocab   vocab.txt for encoders trained from scratch
  --frame_embedding_size           numbers per frame (default: 1536)
  --models         space-separated, default: the six
  --folds          default: 0-10
  --jobs           models at a time; default: 1, for the demo without a GPU one per CPU core
  --pretrain_flags, --finetune_flags, --inference_flags, --ensemble_flags
                   more flags for a stage, e.g. --pretrain_flags="--total_steps=1000 --batch_size=64"
TEXT
}

[ -f vsim_tf/registry.py ] || { echo "error: start run.sh in the repository's folder: sh run.sh" >&2; exit 2; }
data_dir='' output_dir='' size='' models='' folds=0-10 jobs='' frame_embedding_size=''
bert_dir='' roformer_dir='' bert_vocab='' roformer_vocab=''
pretrain_flags='' finetune_flags='' inference_flags='' ensemble_flags=''
for argument in "$@"; do
    value=${argument#*=}
    case $argument in
        --data_dir=*) data_dir=$value ;;
        --output_dir=*) output_dir=$value ;;
        --size=*) size=$value ;;
        --models=*) models=$value ;;
        --folds=*) folds=$value ;;
        --jobs=*) jobs=$value ;;
        --frame_embedding_size=*) frame_embedding_size=$value ;;
        --pretrain_flags=*) pretrain_flags=$value ;;
        --finetune_flags=*) finetune_flags=$value ;;
        --inference_flags=*) inference_flags=$value ;;
        --ensemble_flags=*) ensemble_flags=$value ;;
        --bert_dir=*) bert_dir=$value ;;
        --roformer_dir=*) roformer_dir=$value ;;
        --bert_vocab=*) bert_vocab=$value ;;
        --roformer_vocab=*) roformer_vocab=$value ;;
        --help | -h) usage; exit 0 ;;
        *) echo "error: unknown option $argument" >&2; usage >&2; exit 2 ;;
    esac
done
command="sh run.sh$(for argument in "$@"; do printf " '%s'" "$argument"; done)"

. ./setup.sh # sets $PYTHON
cores=$(getconf _NPROCESSORS_ONLN)

if [ -z "$data_dir" ]; then # the demo: steps and rates for tiny models on a few thousand videos
    data_dir=data/demo
    output_dir=${output_dir:-output/demo} size=${size:-tiny} frame_embedding_size=${frame_embedding_size:-128}
    pretrain_flags="--bert_seq_length=16 --max_frames=8 --batch_size=64 --val_batch_size=256 --print_freq=40 --eval_freq=320
        --total_steps=320 --lr=4e-3 --warmup_steps=10 --bert_total_steps=320 --bert_lr=1e-3 --bert_warmup_steps=80 $pretrain_flags"
    finetune_flags="--batch_size=32 --val_batch_size=256 --print_freq=12 --eval_freq=48
        --total_steps=48 --lr=1e-3 --warmup_steps=4 --bert_total_steps=48 --bert_lr=5e-4 --bert_warmup_steps=4 $finetune_flags"
    demo=yes
    nvidia-smi >/dev/null 2>&1 || jobs=${jobs:-$((cores < 6 ? cores : 6))}
fi
jobs=${jobs:-1}
case $jobs in *[!0-9]* | 0) echo "error: --jobs=$jobs: a number of models is accepted" >&2; exit 2 ;; esac
output_dir=${output_dir:-output} size=${size:-base} frame_embedding_size=${frame_embedding_size:-1536}
models=${models:-mix_nextvlad mix_nextvlad_asl mix_nextvlad_roformer uniter uniter_asl uniter_roformer}
mkdir -p "$output_dir"

stage() { # stage NAME COMMAND...: runs a stage, adds its time to timings.tsv, stops at a failure
    name=$1 started=$(date +%s)
    shift
    printf '\n== %s\n' "$name"
    "$@" || {
        code=$?
        echo "error: stage '$name' failed; when that is mended, run the same command again: finished stages are skipped" >&2
        exit "$code"
    }
    printf '%s\t%s\n' "$name" $(($(date +%s) - started)) >>"$output_dir/timings.tsv"
}

each_model() { # each_model COMMAND...: COMMAND --model=MODEL for all models, as many at a time as --jobs says
    if [ "$jobs" -eq 1 ]; then
        for model in $models; do "$@" --model="$model" || return; done
    else
        printf '%s\n' $models | PYTHONUNBUFFERED=1 TQDM_MININTERVAL=5 TF_NUM_INTRAOP_THREADS=$((cores / jobs)) \
            xargs -P "$jobs" -I '{}' "$PYTHON" -c "$by_lines" "$@" --model='{}'
    fi
}

by_lines='# runs a command and passes its output on by lines: progress bars side by side would overwrite each other
import signal, subprocess, sys
job = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which says what it does
for line in job.stdout:
    if line.strip():
        print(line, end="", flush=True)
sys.exit(job.wait())'

[ -z "${demo:-}" ] || stage demo-data "$PYTHON" -m vsim_tf.data.demo --output_dir="$data_dir" \
    --frame_embedding_size="$frame_embedding_size"
stage folds "$PYTHON" write_tfrecord.py --data_dir="$data_dir" --output_dir="$output_dir/folds" \
    --frame_embedding_size="$frame_embedding_size"
# the flag variables hold several flags each and are split on purpose
stage pre-training each_model "$PYTHON" train_pretrain.py --size="$size" --data_dir="$data_dir" --output_dir="$output_dir" \
    --frame_embedding_size="$frame_embedding_size" \
    ${bert_dir:+"--bert_dir=$bert_dir"} ${roformer_dir:+"--roformer_dir=$roformer_dir"} \
    ${bert_vocab:+"--bert_vocab=$bert_vocab"} ${roformer_vocab:+"--roformer_vocab=$roformer_vocab"} $pretrain_flags
stage fine-tuning each_model "$PYTHON" train_pair.py --folds="$folds" --output_dir="$output_dir" $finetune_flags
stage embedding each_model "$PYTHON" inference_pair.py --folds="$folds" --data_dir="$data_dir" --output_dir="$output_dir" \
    $inference_flags
stage ensemble "$PYTHON" ensemble_final.py --models="$(echo $models | tr ' ' ,)" --folds="$folds" --data_dir="$data_dir" \
    --output_dir="$output_dir" --frame_embedding_size="$frame_embedding_size" --report_command="$command" $ensemble_flags

printf '\nwhere the time went, in seconds over all runs into %s:\n' "$output_dir"
awk -F '\t' '{ stages[$1] += $2; all += $2 } END { for (s in stages) print stages[s] "\t" s; print all "\tall" }' \
    "$output_dir/timings.tsv" | sort -n
