#!/bin/sh
# The whole pipeline: records in, result.zip and report.md out; or annotations and pictures in, result.csv and report.md out.
#
#   sh run.sh                                  demo data, tiny models of the 4th place: 4 to 14 minutes on 2 CPU cores
#   sh run.sh --system=aiac2021_rank1          the same with the six jobs of the 1st place
#   sh run.sh --system=wbdc2022_rank8          short videos in classes, by the 8th place of 2022
#   sh run.sh --data_dir=DIR --size=base --bert_dir=DIR --roformer_dir=DIR
#                                              the contest at the 2021 size: days on one GPU (docs/reproduce.md)
#   sh run.sh --system=wbdc2022_rank8 --data_dir=DIR --size=base --bert_dir=DIR --clip_dir=DIR
#
# Every finished stage is skipped when the same command is run again, and a killed one resumes.
set -eu
set -f # no word below is a pattern

usage() {
    cat <<'TEXT'
usage: sh run.sh [--name=value ...]
  --system         aiac2021_rank4 (default) or aiac2021_rank1: the 4th or the 1st place of the contest of 2021;
                   wbdc2022_rank8: the 8th place of the contest of 2022, with classes
  --data_dir       contest data (docs/data.md); demo data are made when it is left out
  --output_dir     default: output, for the demo output/demo, output/demo_rank1 or output/demo_rank8
  --size           base, large or tiny; default: as the models were published, base or large
  --bert_dir, --roformer_dir       Hugging Face folders of the encoders
  --bert_vocab, --roformer_vocab   vocab.txt for encoders trained from scratch
  --clip_dir                       Hugging Face folder of a CLIP model, for its vision tower (wbdc2022_rank8)
  --frame_embedding_size           feature dimension of a frame (default: 1536, of wbdc2022_rank8 768)
  --preset         small: for 300 to 10,000 videos of your own; chooses size, lengths, batches, epochs, rates, folds and the
                   ensemble by the data of --data_dir and says what it chose; flags that are given win (docs/small_data.md)
  --split          shuffled (4th place) or modulo (1st place): how labelled pairs are split into folds; default: the system's.
                   modulo needs video ids that are integers
  --models         separated by blanks or commas, default: those of the system
  --folds          default: the system's, 0-10 or 0, as far as they are written
  --jobs           models at a time, each on a GPU of its own; default: 1, for the demo without a GPU one per CPU core
  --jobs_per_gpu   models that may share a GPU; default: 1
  --pretrain_flags, --finetune_flags, --inference_flags, --ensemble_flags
                   more flags for a stage, quoted as for a shell, e.g. --pretrain_flags="--total_steps=1000 --batch_size=64"
  --tower_flags    the same for the pre-training of the vision tower (wbdc2022_rank8), behind --pretrain_flags
  --check_flags    the same for the check of --data_dir before all else, e.g. --check_flags=--warn_only to train in spite of problems
TEXT
}

quoted() { # quoted WORD...: each in quotes, as a shell reads them
    for word in "$@"; do printf " '%s'" "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done
}

is() { # is WORD WORD: whether they are the same, as the value of a flag
    if [ "$1" = "$2" ]; then echo true; else echo false; fi
}

[ -f vsim_tf/presets/registry.py ] || { echo "error: start run.sh in the repository's folder: sh run.sh" >&2; exit 2; }
system=aiac2021_rank4 data_dir='' output_dir='' size='' preset='' split='' models='' folds='' jobs='' jobs_per_gpu=1 frame_embedding_size=''
bert_dir='' roformer_dir='' bert_vocab='' roformer_vocab='' clip_dir=''
check_flags='' pretrain_flags='' tower_flags='' finetune_flags='' inference_flags='' ensemble_flags=''
command="sh run.sh$(quoted "$@")"
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --*=*) name=${1%%=*} value=${1#*=} ;;
        *) name=$1 value=${2-} ;;
    esac
    case $name in
        --system | --data_dir | --output_dir | --size | --preset | --split | --models | --folds | --jobs | --jobs_per_gpu | \
            --frame_embedding_size | --bert_dir | --roformer_dir | --bert_vocab | --roformer_vocab | --clip_dir | \
            --check_flags | --pretrain_flags | --tower_flags | --finetune_flags | --inference_flags | --ensemble_flags) ;;
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

# a system: its models, what they are trained on, their ensemble, and what its demo needs
case $system in
    aiac2021_rank4)
        system_models='mix_nextvlad mix_nextvlad_asl mix_nextvlad_roformer uniter uniter_asl uniter_roformer'
        labels=pairs system_split=shuffled method='' frame_size=1536
        demo_data=data/demo demo_output=output/demo demo_steps=48 demo_eval=48 ;;
    aiac2021_rank1)
        system_models='qq_job1 qq_job2 qq_job3 qq_job4 qq_job5 qq_job6'
        labels=pairs system_split=modulo method=svd frame_size=1536
        demo_data=data/demo demo_output=output/demo_rank1 demo_steps=240 demo_eval=48 ;;
    wbdc2022_rank8)
        system_models='wbdc_1 wbdc_2 wbdc_3 wbdc_4'
        labels=classes system_split='' frame_size=768
        demo_data=data/demo_rank8 demo_output=output/demo_rank8 demo_steps=240 demo_eval=40 ;;
    *) echo "error: --system=$system: accepted are aiac2021_rank4, aiac2021_rank1, wbdc2022_rank8" >&2; exit 2 ;;
esac

if [ -n "$split" ] && [ "$labels" != pairs ]; then
    echo "error: --split=$split is for models of pairs, not for --system=$system" >&2
    exit 2
fi
split=${split:-$system_split}
if [ -n "$preset" ]; then
    [ "$preset" = small ] || { echo "error: --preset=$preset: accepted is small" >&2; exit 2; }
    [ -n "$data_dir" ] || { echo "error: --preset=$preset needs --data_dir: the demo has choices of its own" >&2; exit 2; }
fi

demo=''
if [ -z "$data_dir" ]; then # the demo: steps and rates for tiny models on a few thousand videos
    demo=yes data_dir=$demo_data output_dir=${output_dir:-$demo_output} size=${size:-tiny}
    case $labels in
        pairs)
            frame_size=128
            pretrain_flags="--bert_seq_length=16 --max_frames=8 --batch_size=64 --val_batch_size=256 --print_freq=40 --eval_freq=320
                --total_steps=320 --lr=4e-3 --warmup_steps=10 --bert_total_steps=320 --bert_lr=1e-3 --bert_warmup_steps=80
                $pretrain_flags"
            finetune_flags="--batch_size=32 --val_batch_size=256 --print_freq=12 --eval_freq=$demo_eval --total_steps=$demo_steps
                --lr=1e-3 --warmup_steps=4 --bert_total_steps=$demo_steps --bert_lr=5e-4 --bert_warmup_steps=4 $finetune_flags" ;;
        classes)
            bert_vocab=${bert_vocab:-$data_dir/vocab.txt}
            pretrain_flags="--bert_seq_length=48 --max_frames=4 --batch_size=32 --val_batch_size=64 --print_freq=20 --eval_freq=100
                --total_steps=200 --lr=1e-3 --bert_lr=1e-3 $pretrain_flags"
            tower_flags="--total_steps=90 --bert_lr=5e-4 $tower_flags"
            finetune_flags="--batch_size=32 --val_batch_size=64 --print_freq=20 --eval_freq=$demo_eval --total_steps=$demo_steps
                --lr=3e-3 --bert_lr=2e-3 --set=training.groups.tower.schedule.peak=1e-3 --set=training.average.decay=0.95
                $finetune_flags" ;;
    esac
    cores=$(getconf _NPROCESSORS_ONLN)
    nvidia-smi >/dev/null 2>&1 || jobs=${jobs:-$((cores < 6 ? cores : 6))}
fi
[ "$labels$size$clip_dir" != classestiny ] || frame_size=128 # that of the tiny tower
[ -z "$preset" ] || frame_size='' # that of the data
output_dir=${output_dir:-output} frame_embedding_size=${frame_embedding_size:-$frame_size}
frame_flag=${frame_embedding_size:+"--frame_embedding_size=$frame_embedding_size"} preset=${preset:+"--preset=$preset"}
models=$(echo ${models:-$system_models} | tr ' ' ,)

# the stages: what each runs, once or for each model; vsim_tf.launch checks all of them before it begins with the first
set --
looked_at=10000 # records of each file, so that the check of a large contest takes minutes
[ "$labels" = pairs ] || looked_at=500 # videos of each split: opening zips takes longer
[ -n "$demo" ] || set -- --stage=check check_data.py --data_dir="$data_dir" --output="$output_dir/check.json" \
    ${frame_flag:+"$frame_flag"} ${preset:+"$preset"} --records_per_file="$looked_at" --more_flags="$check_flags"
case $labels in
    pairs)
        [ -z "$demo" ] || set -- --stage=demo-data --before_checks -m vsim_tf.demo --output_dir="$data_dir" \
            --frame_embedding_size="$frame_embedding_size"
        folds_dir=$output_dir/folds
        [ "$split" = shuffled ] || folds_dir=${folds_dir}_$split
        set -- "$@" --stage=folds write_tfrecord.py --split="$split" --data_dir="$data_dir" --output_dir="$folds_dir" \
            ${frame_flag:+"$frame_flag"} ${preset:+"$preset"}
        set -- "$@" --stage=pre-training --each_model train_pretrain.py ${size:+"--size=$size"} --data_dir="$data_dir" \
            --output_dir="$output_dir" ${frame_flag:+"$frame_flag"} ${preset:+"$preset"} \
            ${bert_dir:+"--bert_dir=$bert_dir"} ${roformer_dir:+"--roformer_dir=$roformer_dir"} \
            ${bert_vocab:+"--bert_vocab=$bert_vocab"} ${roformer_vocab:+"--roformer_vocab=$roformer_vocab"} \
            --more_flags="$pretrain_flags"
        set -- "$@" --stage=fine-tuning --each_model train_pair.py ${folds:+"--folds=$folds"} --output_dir="$output_dir" \
            --folds_dir="$folds_dir" ${preset:+"$preset"} --more_flags="$finetune_flags"
        set -- "$@" --stage=embedding --each_model inference_pair.py ${folds:+"--folds=$folds"} --data_dir="$data_dir" \
            --output_dir="$output_dir" --more_flags="$inference_flags"
        set -- "$@" --stage=ensemble ensemble_final.py --models="$models" ${folds:+"--folds=$folds"} ${method:+"--method=$method"} \
            --data_dir="$data_dir" --output_dir="$output_dir" ${frame_flag:+"$frame_flag"} ${preset:+"$preset"} \
            --report_command="$command" --more_flags="$ensemble_flags"
        ;;
    classes)
        records=$output_dir/records tower=--tower=$output_dir/wbdc_clip/pretrain
        splits='unlabeled labeled' test_labels=$data_dir/test_a_labels.tsv
        for split in test_a test_b; do # of a contest, those that are there
            [ -z "$demo" ] && [ ! -f "$data_dir/annotations/$split.json" ] || splits="$splits $split"
        done
        [ -n "$demo" ] || [ -f "$test_labels" ] || test_labels=''
        [ -z "$demo" ] || set -- --stage=demo-data --before_checks -m vsim_tf.demo --system="$system" --output_dir="$data_dir"
        tower_dir=$clip_dir reads=pictures # what classifiers read
        [ -z "$preset" ] || reads=features
        for flag in $finetune_flags; do
            case $flag in --frames=*) reads=${flag#--frames=} ;; esac
        done
        tower_makes='' # whether the tower that is trained here makes features, which have its dimension
        for split in $splits; do [ -n "$clip_dir" ] || [ -f "$data_dir/features/$split.zip" ] || tower_makes=yes; done
        pictures=yes # whether anything is made of them
        if [ "$reads" = features ]; then
            [ -z "$clip_dir" ] && pictures=$tower_makes || pictures=''
        fi
        for split in ${pictures:+$splits}; do
            set -- "$@" --stage="pictures of $split" extract_features.py --kind=pictures --frames="$data_dir/frames/$split" \
                --annotations="$data_dir/annotations/$split.json" --labelled="$(is "$split" labeled)" \
                --output="$records/$split/pictures.tfrecords"
        done
        [ -z "$pictures" ] || set -- "$@" --stage='pre-training of the tower' train_pretrain.py --model=wbdc_clip ${size:+"--size=$size"} \
            --data_dir="$records" --output_dir="$output_dir" ${bert_dir:+"--bert_dir=$bert_dir"} ${clip_dir:+"--clip_dir=$clip_dir"} \
            ${bert_vocab:+"--bert_vocab=$bert_vocab"} ${tower_makes:+${frame_flag:+"$frame_flag"}} ${preset:+"$preset"} \
            --more_flags="$pretrain_flags $tower_flags"
        for split in $splits; do
            if [ -f "$data_dir/features/$split.zip" ]; then
                frames=--features=$data_dir/features/$split.zip made_by=''
            else
                frames=--frames=$data_dir/frames/$split made_by=${clip_dir:+"--clip_dir=$clip_dir"} made_by=${made_by:-$tower}
            fi
            set -- "$@" --stage="features of $split" extract_features.py "$frames" ${made_by:+"$made_by"} \
                --annotations="$data_dir/annotations/$split.json" --labelled="$(is "$split" labeled)" \
                --output="$records/$split/features.tfrecords"
        done
        set -- "$@" --stage=pre-training train_pretrain.py --model=wbdc_single ${size:+"--size=$size"} --data_dir="$records" \
            --output_dir="$output_dir" ${frame_flag:+"$frame_flag"} ${bert_dir:+"--bert_dir=$bert_dir"} \
            ${bert_vocab:+"--bert_vocab=$bert_vocab"} ${preset:+"$preset"} --more_flags="$pretrain_flags"
        [ "$reads" = pictures ] || tower_dir=''
        set -- "$@" --stage=fine-tuning --each_model train_classify.py ${size:+"--size=$size"} ${folds:+"--folds=$folds"} \
            --data_dir="$records" --output_dir="$output_dir" ${bert_dir:+"--bert_dir=$bert_dir"} \
            ${tower_dir:+"--clip_dir=$tower_dir"} ${preset:+"$preset"} --more_flags="$finetune_flags"
        set -- "$@" --stage=prediction --each_model predict_classify.py ${folds:+"--folds=$folds"} --data_dir="$records" \
            --output_dir="$output_dir" ${preset:+"$preset"} --more_flags="$inference_flags"
        set -- "$@" --stage=ensemble ensemble_final.py --models="$models" ${folds:+"--folds=$folds"} --data_dir="$records" \
            --output_dir="$output_dir" ${test_labels:+"--labels=$test_labels"} ${preset:+"$preset"} --report_command="$command" \
            --more_flags="$ensemble_flags"
        ;;
esac
exec "$PYTHON" -m vsim_tf.launch --output_dir="$output_dir" --models="$models" --jobs="${jobs:-1}" --jobs_per_gpu="$jobs_per_gpu" "$@"
