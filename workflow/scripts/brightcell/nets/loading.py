"""Load trained networks."""

from pathlib import Path
from typing import TYPE_CHECKING

from brightcell.errors import InputError

if TYPE_CHECKING:
    import keras


def load_model(path: str | Path, precision: str = "float32") -> "keras.Model":
    """Load a trained network in safe mode: a file that carries code is refused.

    precision is the dtype policy of the computation; the last layer stays float32. Raises InputError if the file is
    missing or damaged.
    """
    import keras

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such model. Train it first, or correct the path.")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise InputError(
            f"{path}: not a model that can be loaded safely ({str(error).splitlines()[0]}). "
            "Expected a .keras file of this workflow. Where it trained the model, remove the file, and it trains it anew; "
            "where the model came from elsewhere, get it again."
        ) from error
    if precision == "float32":
        return model

    def recast(layer: keras.Layer) -> keras.Layer:
        dtype = "float32" if layer is model.layers[-1] else precision
        return type(layer).from_config({**layer.get_config(), "dtype": dtype})

    fast = keras.models.clone_model(model, clone_function=recast)
    fast.set_weights(model.get_weights())
    return fast
