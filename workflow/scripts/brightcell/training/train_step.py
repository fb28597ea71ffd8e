"""One step of training, in the way that is fastest with each backend."""

from typing import Any

import keras
import numpy as np


def stepper(model: keras.Model) -> "KerasSteps | JaxSteps":
    """Return an object that trains a compiled model on a batch when called, and has the method `settle`."""
    return JaxSteps(model) if keras.backend.backend() == "jax" else KerasSteps(model)


class KerasSteps:
    """Steps with Keras' own `train_on_batch`."""

    def __init__(self, model: keras.Model):
        self.model = model

    def __call__(self, images: keras.KerasTensor, targets: keras.KerasTensor, rate: float) -> float:
        """Train on a batch with a learning rate; return its loss."""
        self.model.optimizer.learning_rate = rate
        return float(self.model.train_on_batch(images, targets))

    def settle(self) -> None:
        """Update the model's variables: they are up to date already."""


class JaxSteps:
    """Steps with all state on the device; the model's variables are only updated by `settle`.

    Keras moves hundreds of variables in and out of every step, which takes as long as the step itself on a fast GPU.
    """

    def __init__(self, model: keras.Model):
        import jax

        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self.variables = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
        self.state: tuple[list, ...] | None = None
        own_rate = model.optimizer.learning_rate
        place = next(i for i, variable in enumerate(model.optimizer.variables) if variable is own_rate)

        def step(
            state: tuple[list, ...], images: keras.KerasTensor, targets: keras.KerasTensor, rate: Any
        ) -> tuple[Any, tuple[list, ...]]:
            trainable, others, moments = state
            moments = [*moments[:place], rate, *moments[place + 1 :]]

            def objective(trainable: list) -> tuple[Any, list]:
                predicted, changed = model.stateless_call(trainable, others, images, training=True)
                return model.loss(targets, predicted), changed

            (loss, others), gradients = jax.value_and_grad(objective, has_aux=True)(trainable)
            trainable, moments = model.optimizer.stateless_apply(moments, gradients, trainable)
            return loss, (trainable, others, moments)

        self.step = jax.jit(step, donate_argnums=0)

    def __call__(self, images: keras.KerasTensor, targets: keras.KerasTensor, rate: float) -> float:
        """Train on a batch with a learning rate; return its loss."""
        if self.state is None:
            self.state = tuple([variable.value for variable in group] for group in self.variables)
        loss, self.state = self.step(self.state, images, targets, np.float32(rate))
        return float(loss)

    def settle(self) -> None:
        """Copy the state to the model's variables; the next step takes it from them again."""
        if self.state is not None:
            for group, values in zip(self.variables, self.state, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)
            self.state = None
