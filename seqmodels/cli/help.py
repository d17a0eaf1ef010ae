"""What ``--help`` says."""

OVERVIEW = """\
seqmodels: train recurrent sequence models, watch them, use them

  seqmodels train      train by config; -m to sweep
  seqmodels evaluate   score a trained run again
  seqmodels predict    predictions for a new file
  seqmodels generate   sample from a trained run
  seqmodels forecast   what comes after the end of a series, with a picture
  seqmodels backtest   train again and again, walking forward through a series
  seqmodels data       look at data before training: data inspect
  seqmodels report     a page on a run: picture, result, command
  seqmodels transcribe what is said in new recordings
  seqmodels translate  texts by a model trained on pairs
  seqmodels list       cells, heads, tasks, data, experiments and recipes, one line each
  seqmodels show       the composed config
  seqmodels doctor     versions, devices, engines, and what is missing
  seqmodels benchmark  speed and memory against torch's own layers

Settings are written name=value and parts are chosen group=option, as in Hydra:

  seqmodels train experiment=text_characters
  seqmodels train data=text data.path=book.txt model/cell=gru model.hidden_sizes=[256,256]

seqmodels VERB --help says more; with data=csv before it every option of that part, too.
--debug (or SEQMODELS_DEBUG=1) shows tracebacks.
"""

# Groups of parts: with one of them chosen, --help tells its options too.
PARTS = ("data", "task", "model/cell", "model/head")

_CONFIG_FLAGS = """\
  --config-dir DIR     a folder with configs of your own, laid out as seqmodels' (experiment/, data/, ...)
  --config-name NAME   a primary config of your own in it, in the place of train
"""

VERBS = {
    "train": f"""\
seqmodels train [name=value ...]: train a model

  seqmodels train experiment=surname_origin
  seqmodels train experiment=surname_origin model/cell=gru optimizer.lr=0.001
  seqmodels train data=text data.path=book.txt trainer.max_time=00:00:05:00
  seqmodels train data=csv data.path=sales.csv data.target=sold
  seqmodels train -m model/cell=elman,gru,lstm seed=0,1,2
  seqmodels train resume=runs/text_characters/2026-01-31_12-00-00

Where no experiment is named, task and head follow from the data, and from them a recipe: settings that have proved
good (seqmodels list recipes; recipe=none leaves every part at its own defaults). All that is taken is printed.
The run goes to runs/NAME/DATE_TIME, or to run_dir=FOLDER; a sweep to runs/multirun/NAME/DATE_TIME.
resume=RUN takes the settings of that run and goes on in its folder; name=value changes a setting.
A sweeper of Hydra's is told the validation loss.

  -m, --multirun       one run for each combination of the values given with commas
{_CONFIG_FLAGS}\
  --cfg job, --info, --package, --resolve, --shell-completion, --hydra-help: as in Hydra
""",
    "evaluate": """\
seqmodels evaluate [RUN] [name=value ...]: score a trained model again

  seqmodels evaluate
  seqmodels evaluate runs/surname_origin/2026-01-31_12-00-00
  seqmodels evaluate RUN data.path=other.csv trainer.accelerator=cpu

RUN is a run folder or a checkpoint; the newest run under runs/ where it is left out.
name=value changes a setting of the run. data.path=FILE scores it on another file, encoded as the run's own
data were; the baselines are those of the run's training data.
""",
    "predict": """\
seqmodels predict [RUN] --input FILE [name=value ...]: predictions for a new file

  seqmodels predict --input names.csv
  seqmodels predict RUN --input names.csv --output predictions.csv

RUN is a run folder or a checkpoint; the newest run under runs/ where it is left out.

  --input FILE         data in the form of the training data, a folder or pattern where those may be one, or - for
                       standard input; targets may be left out
  --output FILE        .csv or .jsonl; one JSON object a line on the screen where it is left out
  --top K              the probabilities of the K likeliest classes only; of tags at every step
  --every N            a decision after every N steps of a sequence too, as if it came in just now
""",
    "generate": """\
seqmodels generate [RUN] [flags] [name=value ...]: sample from a trained model

  seqmodels generate --prompt "To be" --length 500
  seqmodels generate RUN --temperature 0.7 --top-k 20 --seed 1
  seqmodels generate RUN --prompt kanji --count 32 --output strokes.png

RUN is a run folder or a checkpoint; the newest run under runs/ where it is left out.

  --prompt TEXT        what comes before; for class to sequence, the class
  --length N           steps to generate (default 400)
  --temperature T      below 1 safer, above 1 bolder, 0 always the likeliest (default 0.8)
  --top-k K            sample from the K likeliest only
  --top-p P            sample from the likeliest that together have probability P
  --beam N             beam search over N candidates, for heads that decode sequences
  --seed N             the same seed gives the same sample
  --output FILE        for handwriting: .png, .svg or .pdf; --prompt is the label, --count N the drawings (default 16)
""",
    "forecast": """\
seqmodels forecast [RUN] [flags] [name=value ...]: what comes after the end of each series

  seqmodels forecast --plot forecast.png
  seqmodels forecast RUN --input sales.csv --output forecast.csv --steps 28

RUN is a run folder or a checkpoint; the newest run under runs/ where it is left out.
One row per series and step, with its time stamp, the forecast, and quantiles where the model has them.

  --input FILE         series to continue, in the form of the training data; those data where it is left out.
                       Columns of data.future_covariates go on in rows after the last target, which is blank there
  --output FILE        .csv or .jsonl; one JSON object a line on the screen where it is left out
  --plot FILE          .png, .svg or .pdf: the recent past and the forecast
  --steps N            how far ahead (default: the model's horizon); beyond that it reads its own forecast
""",
    "backtest": """\
seqmodels backtest [RUN] [--folds N] [--sliding STEPS] [name=value ...]: train anew for each fold, walking forward

  seqmodels backtest experiment=stock_returns --folds 5
  seqmodels backtest runs/stock_returns/2026-01-31_12-00-00 --folds 5

The test part (data.test_fraction) is cut into folds in order of time. For each a model is trained on all that
comes before it, from scratch, and scored on it beside the baselines; nothing later is known to it. Of a RUN the
settings are taken, not the model. The folds and backtest.csv lie in runs/backtest/NAME/DATE_TIME, or in
run_dir=FOLDER; given again, a folder that was interrupted goes on after its last finished fold.

  --folds N            how many (default 5)
  --sliding STEPS      train on the last STEPS time steps only, and not on all that came before
""",
    "data": f"""\
seqmodels data inspect [name=value ...]: what data were taken for and what is in them, before any training

  seqmodels data inspect data=csv data.path=sales.csv data.target=sold
  seqmodels data inspect experiment=surname_origin
  seqmodels data inspect data=text data.path=book.txt --json

Shown are the splits, lengths, classes, vocabulary, features, what was left out and why, batches and what looks
wrong. Settings are those of train, and mistakes in the data are found as train finds them.

  --json               everything, as JSON
{_CONFIG_FLAGS}\
""",
    "report": """\
seqmodels report [RUN] [--output FILE]: a page on a run, with its picture, its result and how to use it

  seqmodels report
  seqmodels report runs/surname_origin/2026-01-31_12-00-00 --output surname_origin.md

RUN is a run folder or a checkpoint; the newest run under runs/ where it is left out.

  --output FILE        ends in .md; the picture comes beside it as .png (default report.md)
""",
    "transcribe": """\
seqmodels transcribe [RUN] FILE [flags] [name=value ...]: what is said in new recordings

  seqmodels transcribe answer.wav
  seqmodels transcribe RUN recordings/ --output transcripts.jsonl --beam 16

RUN is a run folder or a checkpoint; the newest run under runs/ where it is left out. FILE is a recording,
a folder of them, or a manifest with a column path; for spelt numbers an .npz as the training data were.

  --output FILE        .csv or .jsonl; one JSON object a line on the screen where it is left out
  --beam N             beam search over N beginnings; 1 for the likeliest path (default: as in training)
""",
    "translate": """\
seqmodels translate [RUN] --text TEXT | --input FILE [flags] [name=value ...]: texts by a model trained on pairs

  seqmodels translate RUN --text "guten Tag" --beam 5
  seqmodels translate RUN --input german.txt --output english.jsonl --length-penalty 0.6

RUN is a run folder or a checkpoint; the newest run under runs/ where it is left out. FILE holds one text a
line, or pairs as the training data did.

  --text TEXT          what to translate
  --input FILE         a file of texts; one translation a line on the screen
  --output FILE        .csv or .jsonl, with line, source, tokens and text
  --beam N             beam search over N beginnings; 1 for the likeliest token at each step (default: as in training)
  --length-penalty A   above 0 favours longer translations, in a beam (default: as in training)
""",
    "list": """\
seqmodels list [cells|heads|tasks|data|experiments|recipes|optimizers|schedulers [NAME ...]] [--config-dir DIR]

  seqmodels list
  seqmodels list experiments
  seqmodels list data csv    (every option of it)
""",
    "show": f"""\
seqmodels show [name=value ...]: the composed config as YAML, what each setting means, and what is wrong with it

  seqmodels show experiment=sunspots
  seqmodels show model/cell=gru optimizer=adamw

{_CONFIG_FLAGS}""",
    "doctor": f"""\
seqmodels doctor [name=value ...]: versions, devices, and what is missing; which engine each cell takes

  seqmodels doctor
  seqmodels doctor model.cell.peephole=true    (and why, for this config)

{_CONFIG_FLAGS}""",
    "benchmark": """\
seqmodels benchmark [flags]: speed and memory against torch's own layers and a plain loop, side by side

  seqmodels benchmark --cells lstm,gru --modes train,infer --json numbers.json
  seqmodels benchmark --shapes small,256x1x32x64 --threads 1
  seqmodels benchmark --cell my_cells:LeakyCell    (your own cell, against nn.LSTM)

The contenders run in turn, A B A B, in one process; shown are medians, and ratios of torch's time to ours.

  --cells NAMES        lstm, gru, rnn, peephole_lstm, two_memories, or any registered cell, with commas
  --cell MODULE:CLASS  a cell of your own; may be given again
  --modes NAMES        of train (forward and backward), infer, step (one step of one row), first (first use)
                       and memory; the last two run in fresh processes, at the first shape
  --shapes NAMES       of small, medium, wide, pixels, single, words and long, or TxBxFxH:
                       steps x rows x features x units
  --repeats N          rounds (default 11)
  --threads N          threads of torch's (default: torch's own choice)
  --device DEVICE      cpu or cuda (default cpu)
  --dtype DTYPE        float32, float64, bfloat16 or float16 (default float32; on cuda bfloat16)
  --no-loop            leave out the plain Python loop, which is slow
  --quick              tiny sizes, two rounds: whether all works, and no numbers to rely on
  --targets            hold the outcome against the project's own targets
  --json FILE          everything, as JSON
  --markdown FILE      the tables, as Markdown
""",
}
