#!/bin/sh
# The whole pipeline: records in, result.zip and report.md out.
#
#   sh run.sh                                  demo data, tiny models: 4 to 8 minutes on 2 CPU cores
#   sh run.sh --data_dir=DIR --size=base --bert_dir=DIR --roformer_dir=DIR
#                                              the contest at the 2021 size: days on one GPU (docs/reproduce.md)
#
# Every finished stage is skipped when the same command is run again, and a killed one resumes.
set -eu
set -f # no word below is a pattern

usage() {
    cat <<'TEXT'
usage: sh run.sh [--name=value ...]
  --data_dir       contest data (docs/data.md); demo data are made when it is left out
  --output_dir     default: output, for the demo output/demo
  --size           base (default) or tiny
  --bert_dir, --roformer_dir       Hugging Face folders of the encoders
  --bert_vocab, --roformer_vocab   vocab.txt for encoders trained from scratch
  --frame_embedding_size           feature dimension of a frame (default: 1536)
  --models         separated by blanks or commas, default: the six
  --folds          default: 0-10
  --jobs           models at a time, each on a GPU of its own; default: 1, for the demo without a GPU one per CPU core
  --jobs_per_gpu   models that may share a GPU; default: 1
  --pretrain_flags, --finetune_flags, --inference_flags, --ensemble_flags
                   more flags for a stage, quoted as for a shell, e.g. --pretrain_flags="--total_steps=1000 --batch_size=64"
TEXT
}

quoted() { # quoted WORD...: each in quotes, as a shell reads them
    for word in "$@"; do printf " '%s'" "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done
}

[ -f vsim_tf/presets/registry.py ] || { echo "error: start run.sh in the repository's folder: sh run.sh" >&2; exit 2; }
data_dir='' output_dir='' size='' models='' folds=0-10 jobs='' jobs_per_gpu=1 frame_embedding_size=''
bert_dir='' roformer_dir='' bert_vocab='' roformer_vocab=''
pretrain_flags='' finetune_flags='' inference_flags='' ensemble_flags=''
command="sh run.sh$(quoted "$@")"
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --*=*) name=${1%%=*} value=${1#*=} ;;
        *) name=$1 value=${2-} ;;
    esac
    case $name in
        --data_dir | --output_dir | --size | --models | --folds | --jobs | --jobs_per_gpu | --frame_embedding_size | \
            --bert_dir | --roformer_dir | --bert_vocab | --roformer_vocab | \
            --pretrain_flags | --finetune_flags | --inference_flags | --ensemble_flags) ;;
        *) echo "error: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    if [ "$name" = "$1" ]; then # --name value
        [ $# -gt 1 ] || { echo "error: $name needs a value: $name=VALUE" >&2; exit 2; }
        shift
    fi
    eval "${name#--}=\$value"
    shift
done

. ./setup.sh # sets $PYTHON

demo=''
if [ -z "$data_dir" ]; then # the demo: steps and rates for tiny models on a few thousand videos
    demo=yes data_dir=data/demo
    output_dir=${output_dir:-output/demo} size=${size:-tiny} frame_embedding_size=${frame_embedding_size:-128}
    pretrain_flags="--bert_seq_length=16 --max_frames=8 --batch_size=64 --val_batch_size=256 --print_freq=40 --eval_freq=320
        --total_steps=320 --lr=4e-3 --warmup_steps=10 --bert_total_steps=320 --bert_lr=1e-3 --bert_warmup_steps=80 $pretrain_flags"
    finetune_flags="--batch_size=32 --val_batch_size=256 --print_freq=12 --eval_freq=48
        --total_steps=48 --lr=1e-3 --warmup_steps=4 --bert_total_steps=48 --bert_lr=5e-4 --bert_warmup_steps=4 $finetune_flags"
    cores=$(getconf _NPROCESSORS_ONLN)
    nvidia-smi >/dev/null 2>&1 || jobs=${jobs:-$((cores < 6 ? cores : 6))}
fi
output_dir=${output_dir:-output} size=${size:-base} frame_embedding_size=${frame_embedding_size:-1536}
models=$(echo ${models:-mix_nextvlad mix_nextvlad_asl mix_nextvlad_roformer uniter uniter_asl uniter_roformer} | tr ' ' ,)

# the stages: what each runs, once or for each model; vsim_tf.launch checks all of them before it begins with the first
set --
[ -z "$demo" ] || set -- --stage=demo-data --before_checks -m vsim_tf.demo --output_dir="$data_dir" \
    --frame_embedding_size="$frame_embedding_size"
set -- "$@" --stage=folds write_tfrecord.py --data_dir="$data_dir" --output_dir="$output_dir/folds" \
    --frame_embedding_size="$frame_embedding_size"
set -- "$@" --stage=pre-training --each_model train_pretrain.py --size="$size" --data_dir="$data_dir" \
    --output_dir="$output_dir" --frame_embedding_size="$frame_embedding_size" \
    ${bert_dir:+"--bert_dir=$bert_dir"} ${roformer_dir:+"--roformer_dir=$roformer_dir"} \
    ${bert_vocab:+"--bert_vocab=$bert_vocab"} ${roformer_vocab:+"--roformer_vocab=$roformer_vocab"} --more_flags="$pretrain_flags"
set -- "$@" --stage=fine-tuning --each_model train_pair.py --folds="$folds" --output_dir="$output_dir" \
    --more_flags="$finetune_flags"
set -- "$@" --stage=embedding --each_model inference_pair.py --folds="$folds" --data_dir="$data_dir" \
    --output_dir="$output_dir" --more_flags="$inference_flags"
set -- "$@" --stage=ensemble ensemble_final.py --models="$models" --folds="$folds" --data_dir="$data_dir" \
    --output_dir="$output_dir" --frame_embedding_size="$frame_embedding_size" --report_command="$command" \
    --more_flags="$ensemble_flags"
exec "$PYTHON" -m vsim_tf.launch --output_dir="$output_dir" --models="$models" --jobs="${jobs:-1}" --jobs_per_gpu="$jobs_per_gpu" "$@"
