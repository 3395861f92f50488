"""The learning step of GLE networks in PyTorch, one thread, without autograd:
  peer_torch.py product|outer square|mnist1d WIDTH BATCH sgd|adam float|double
Equations as in peer_blas.c and as `lequel derive` prints them (Ellenberger, Haider et al., GLE): all layers from old
values; errors, currents, errors sent down, updates, membranes. `product` forms each gradient as one matrix product,
and SGD adds it to the weights at once. `outer` forms one outer product per sample and takes their mean, as the
published code does, and hands the gradient to torch.optim. Answers what bench_networks asks, as all peers do:
  check STEPS RATE   starts anew, runs, prints the probes     run STEPS RATE   prints seconds of processor time
Exit status 77 when PyTorch is not installed."""
import sys
import time

try:
    import numpy as np
    import torch
except ImportError:
    sys.exit(77)

from peer_numbers import network, probe, random, starting_values

form, name, width, batch, optimiser, precision = sys.argv[1:3] + [int(a) for a in sys.argv[3:5]] + sys.argv[5:7]
torch.set_num_threads(1)
torch.set_grad_enabled(False)
torch.set_default_dtype(torch.float32 if precision == "float" else torch.float64)
dt = 0.2


def tensor(values):
    return torch.tensor(values, dtype=torch.get_default_dtype())


class Layer:
    def __init__(self, layer, weights):
        self.W, self.b = tensor(weights), torch.zeros(layer.size)
        tau_m, tau_r = tensor(layer.tau_m), tensor(layer.tau_r)
        self.e_keep, self.e_take, self.v_low = 1 - tau_m / tau_r, tau_m / tau_r, dt / tau_r
        self.q_keep, self.q_take, self.u_low = 1 - tau_r / tau_m, tau_r / tau_m, dt / tau_m
        self.tanh = layer.tanh
        self.u, self.r, self.v, self.down = (torch.zeros(batch, layer.size) for _ in range(4))
        self.gate = torch.zeros(batch, layer.size)

    def errors(self):
        g = self.gate * self.down
        self.e = self.v * self.e_keep + self.e_take * g
        self.v += self.v_low * (g - self.v)

    def membranes(self):
        q = self.u * self.q_keep + self.q_take * self.I
        self.u += self.u_low * (self.I - self.u)
        self.r = torch.tanh(q) if self.tanh else q
        self.gate = 1 - self.r * self.r if self.tanh else torch.ones_like(q)


class Network:
    def __init__(self, rate):
        self.rate, self.spec = rate, network(name, width)
        weights, x, self.labels = starting_values(self.spec, batch)
        self.x, self.y = tensor(x), tensor(self.labels)
        self.layers = [Layer(*pair) for pair in zip(self.spec.layers, weights)]
        parameters = [p for layer in self.layers for p in (layer.W, layer.b)]
        if optimiser == "adam":
            self.optimiser = torch.optim.Adam(parameters, lr=rate)
        else:
            self.optimiser = torch.optim.SGD(parameters, lr=rate)

    def learn(self, layer, r):
        if form == "outer":
            layer.W.grad = -(layer.e.unsqueeze(2) * r.unsqueeze(1)).mean(0)
            layer.b.grad = -layer.e.mean(0)
        elif optimiser == "adam":
            layer.W.grad = layer.e.t() @ r / -batch
            layer.b.grad = -layer.e.mean(0)
        else:
            layer.W.addmm_(layer.e.t(), r, alpha=self.rate / batch)
            layer.b.add_(layer.e.sum(0), alpha=self.rate / batch)

    def step(self):
        last = self.layers[-1]
        last.down = self.y - (torch.softmax(last.r, 1) if self.spec.classes else last.r)
        for layer in self.layers:
            layer.errors()
        r = self.x
        for k, layer in enumerate(self.layers):
            layer.I = torch.addmm(layer.b, r, layer.W.t())
            if k:
                self.layers[k - 1].down = layer.e @ layer.W
            self.learn(layer, r)
            r = layer.r
        if form == "outer" or optimiser == "adam":
            self.optimiser.step()
        for layer in self.layers:
            layer.membranes()

    def set_rate(self, rate):
        self.rate = rate
        for group in self.optimiser.param_groups:
            group["lr"] = rate


print("PyTorch " + torch.__version__, flush=True)
net = None
for line in sys.stdin:
    what, steps, rate = line.split()
    steps, rate = int(steps), float(rate)
    if what == "check" or net is None:
        net = Network(rate)
        before = [probe(layer.W.numpy(), k) for k, layer in enumerate(net.layers)] if what == "check" else None
    net.set_rate(rate)
    begin = time.process_time()
    for _ in range(steps):
        net.step()
    seconds = time.process_time() - begin
    if what == "run":
        print("%.9g" % seconds, flush=True)
        continue
    changes = [probe(layer.W.numpy(), k) - before[k] for k, layer in enumerate(net.layers)]
    rates = net.layers[-1].r.numpy().astype(np.float64)
    rates = np.sum(rates * random(np.arange(batch)[:, None], np.arange(rates.shape[1])[None, :], 999))
    print(" ".join("%.17g" % v for v in changes + [rates]), flush=True)
