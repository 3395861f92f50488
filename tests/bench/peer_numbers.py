"""The networks that the peers in Python run, and the numbers they start from: those of measure.c."""
from collections import namedtuple

import numpy as np

Layer = namedtuple("Layer", "size tau_m tau_r tanh")
Network = namedtuple("Network", "inputs layers classes")  # classes: softmax and cross-entropy


def network(name, width):
    """`square`: six layers of tests/bench/gle.leq; `mnist1d`: models/mnist1d.leq"""
    if name == "square":
        taus = np.full(width, 1.2), np.full(width, 0.6)
        return Network(width, [Layer(width, *taus, True)] * 6, False)
    tau_m = np.r_[np.full(18, 0.6), np.full(35, 1.2)]
    tau_r = np.r_[np.full(36, 0.2), np.full(17, 1.2)]
    hidden = [Layer(53, tau_m, tau_r, k > 0) for k in range(6)]
    return Network(1, hidden + [Layer(10, np.full(10, 1.2), np.full(10, 1.2), False)], True)


def random(i, j, stream):
    """in [-0.5, 0.5), for arrays of numbers of rows and columns"""
    mask = 0xFFFFFFFF
    h = (np.uint64(7919) * i.astype(np.uint64) + np.uint64(104729) * j.astype(np.uint64) + np.uint64(stream * 1299709 + 1))
    h = (h & np.uint64(mask)) * np.uint64(2654435761) & np.uint64(mask)
    h = (h ^ h >> np.uint64(15)) * np.uint64(2246822519) & np.uint64(mask)
    return (h ^ h >> np.uint64(13)).astype(np.float64) / 4294967296.0 - 0.5


def grid(rows, columns, stream):
    return random(np.arange(rows)[:, None], np.arange(columns)[None, :], stream)


def starting_values(spec, batch):
    weights, fan_in = [], spec.inputs
    for k, layer in enumerate(spec.layers):
        weights.append((2 * grid(layer.size, fan_in, k) / np.sqrt(fan_in)).astype(np.float32).astype(np.float64))
        fan_in = layer.size
    x = grid(batch, spec.inputs, 500 + spec.inputs)
    if spec.classes:
        y = np.eye(fan_in)[(10 * random(np.arange(batch), np.zeros(batch), 700) + 5).astype(int)]
    else:
        y = grid(batch, fan_in, 700 + fan_in)
    return weights, x, y


def probe(weights, connection):
    return np.sum(weights.astype(np.float64) * grid(*weights.shape, 100 + connection))
