"""Windows, splits, optimizer, schedule and trainer among one another."""

from collections.abc import Iterator

from seqmodels.cli.config.settings import Plain


def windows(config: Plain) -> Iterator[str]:
    """Check windows, k2, and what cannot be cut for them."""
    training, model = config["training"], config["model"]
    window, k2 = training["window"], training["k2"]
    if window is not None and model["bidirectional"]:
        yield (
            "training.window: a bidirectional model reads each sequence from its end too, so no state can be carried "
            "from window to window: set training.window=null or model.bidirectional=false"
        )
    if k2 is not None and model["bidirectional"]:
        yield "training.k2: a bidirectional model has no past to cut the gradient in: set training.k2=null"
    if training["random_window"] and window is None:
        yield "training.random_window: needs training.window, the length to draw around: set training.window=100"


def fractions(config: Plain) -> Iterator[str]:
    """Refuse splits that leave nothing to train on."""
    val, test = (config["data"].get(f"{split}_fraction", 0) for split in ("val", "test"))
    if val + test >= 1:
        yield f"data.val_fraction, data.test_fraction: must leave something to train on, got {val} and {test}"


def optimizer(config: Plain) -> Iterator[str]:
    """Check what Nesterov's momentum needs."""
    optimizer = config["optimizer"]
    if optimizer.get("nesterov") and (optimizer.get("momentum") == 0 or optimizer.get("dampening") != 0):
        yield "optimizer.nesterov: needs optimizer.momentum above 0 and optimizer.dampening=0"


def schedule(config: Plain) -> Iterator[str]:
    """Refuse schedules and stopping that follow what is not there."""
    name, trainer = config["scheduler"]["name"], config["trainer"]
    unlimited = endless(trainer)
    if name in ("one_cycle", "cosine") and unlimited:
        yield f"scheduler: {name} ends with the training: set trainer.max_epochs or trainer.max_steps"
    unwatched = _unwatched(config)
    if name == "plateau" and unwatched:
        yield f"scheduler: plateau follows the validation metric, and {unwatched} leaves none"
    if config["early_stopping"]["patience"] is not None and unwatched:
        yield f"early_stopping.patience: follows the validation metric, and {unwatched} leaves none"
    if config["task"].get("conformal") and unwatched:
        yield f"task.conformal: corrects the interval on the validation split, and {unwatched} leaves none"
    if unlimited and trainer["max_time"] is None and config["early_stopping"]["patience"] is None:
        yield "trainer: would never stop: set trainer.max_epochs, trainer.max_steps or trainer.max_time"


def trainer(config: Plain) -> Iterator[str]:
    """Check precision, validation and batches for the devices there are."""
    trainer, training = config["trainer"], config["training"]
    if trainer["precision"].startswith("16") and trainer["accelerator"] == "cpu":
        yield f"trainer.precision: {trainer['precision']} needs a GPU; on the CPU use bf16-mixed or 32-true"
    every = trainer["val_check_interval"]
    if trainer["check_val_every_n_epoch"] is None and not isinstance(every, int):
        yield (
            "trainer.val_check_interval: must be a whole number of batches, such as 500, where "
            f"trainer.check_val_every_n_epoch is null, got {'null' if every is None else every}"
        )
    devices = trainer["devices"]
    ranks = (len(devices) if isinstance(devices, list) else devices) if devices != "auto" else 1
    if training["batch_size"] % ranks:
        yield f"training.batch_size: must divide evenly by the {ranks} processes, got {training['batch_size']}"


def endless(trainer: Plain) -> bool:
    """Return whether the training has no end that is known before."""
    return bool(trainer["max_epochs"] == -1 and trainer["max_steps"] == -1)


def _unwatched(config: Plain) -> str | None:
    """Return the setting by which there is no validation, if one does."""
    found = {
        "data.val_fraction": config["data"].get("val_fraction"),
        "data.val_size": config["data"].get("val_size"),
        "trainer.limit_val_batches": config["trainer"]["limit_val_batches"],
    }
    return next((f"{name}=0" for name, value in found.items() if value is not None and value == 0), None)
