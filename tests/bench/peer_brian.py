"""The learning step of GLE networks in Brian2, C++ standalone: one sample, SGD, double precision:
  peer_brian.py square|mnist1d WIDTH STEPS RATE
Equations as in peer_blas.c and as `lequel derive` prints them (Ellenberger, Haider et al., GLE), all layers from old
values. The sub-steps are kept in order by Brian2's scheduling slots: errors (start), sums along and down all synapses
(groups), weights (synapses), membranes (end). The program is built once, for STEPS and RATE; each run is that many steps
from the start. Answers what bench_networks asks, as all peers do:
  check STEPS RATE   prints the probes     run STEPS RATE   prints seconds of processor time of as many steps
Exit status 77 when Brian2 is not installed."""
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import warnings

    warnings.simplefilter("ignore")
    import brian2 as b2
    import numpy as np
except ImportError:
    sys.exit(77)

from peer_numbers import network, probe, random, starting_values

name, width, steps, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
folder = tempfile.mkdtemp(prefix="peer_brian.")

ERRORS = """
g = gate*({delta})
err = v*(1 - tau_m/tau_r) + tau_m/tau_r*g
v = v + 0.2*(g - v)/tau_r
"""
MEMBRANES = """
current = I + b
b = b + rate*err
q = u*(1 - tau_r/tau_m) + tau_r/tau_m*current
u = u + 0.2*(current - u)/tau_m
r = {phi}
gate = {slope}
"""
STATE = """
I : 1
down : 1
y : 1
tau_m : 1 (constant)
tau_r : 1 (constant)
r : 1
gate : 1
u : 1
v : 1
err : 1
b : 1
"""


def neurons(layer, last, target, classes):
    delta = ("y - exp(r)/Z" if classes else "y - r") if last else "down"
    group = b2.NeuronGroup(layer.size, STATE + ("Z : 1 (linked)" if last and classes else ""), dt=DT,
                           namespace={"rate": rate})
    group.tau_m, group.tau_r = layer.tau_m, layer.tau_r
    if last:
        group.y = target
    phi, slope = ("tanh(q)", "1 - r*r") if layer.tanh else ("q", "1")
    return [group, group.run_regularly(ERRORS.format(delta=delta), when="start", order=1, dt=DT),
            group.run_regularly(MEMBRANES.format(phi=phi, slope=slope), when="end", dt=DT)]


def synapses(source, target, weights, first):
    down = "" if first else "down_pre = W*err_post : 1 (summed)"
    connection = b2.Synapses(source, target, "W : 1\nI_post = W*r_pre : 1 (summed)\n" + down, dt=DT,
                             namespace={"rate": rate})
    connection.connect()  # all to all; synapses in the order of sources
    connection.W = weights.T.flatten()
    return [connection, connection.run_regularly("W = W + rate*err_post*r_pre", when="synapses", dt=DT)]


def softmax_sum(out):
    total = b2.NeuronGroup(1, "Z : 1", dt=DT)
    reads = b2.Synapses(out, total, "Z_post = exp(r_pre) : 1 (summed)", dt=DT)
    reads.connect()
    for updater in reads.summed_updaters.values():
        updater.when, updater.order = "start", 0
    out.Z = b2.linked_var(total, "Z", index=np.zeros(out.N, dtype=int))
    return [total, reads]


def build():
    spec = network(name, width)
    weights, x, y = starting_values(spec, 1)
    source = b2.NeuronGroup(spec.inputs, "r : 1", dt=DT)
    source.r = x[0]
    parts, before = [source], source
    matrices = []
    for k, layer in enumerate(spec.layers):
        group = neurons(layer, k == len(spec.layers) - 1, y[0], spec.classes)
        connection = synapses(before, group[0], weights[k], k == 0)
        matrices.append(connection[0])
        parts += group + connection
        before = group[0]
    if spec.classes:
        parts += softmax_sum(before)
    return spec, weights, b2.Network(parts), matrices, before


CLOCK = "clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &bench_{0});"
DT = 0.2 * b2.ms
b2.set_device("cpp_standalone", build_on_run=False)
b2.prefs.devices.cpp_standalone.openmp_threads = 0
b2.prefs.codegen.cpp.extra_compile_args_gcc = ["-O3", "-march=native", "-ffast-math", "-w"]
spec, weights, net, matrices, out = build()
b2.device.insert_code("main", "struct timespec bench_a, bench_b; " + CLOCK.format("a"))
net.run(steps * DT)
b2.device.insert_code("main", CLOCK.format("b") + 'FILE *bench = fopen("results/seconds", "w"); fprintf(bench, "%.9f", '
                      "(double)(bench_b.tv_sec - bench_a.tv_sec) + 1e-9*(double)(bench_b.tv_nsec - bench_a.tv_nsec)); "
                      "fclose(bench);")
b2.prefs.codegen.cpp.headers += ["<time.h>", "<stdio.h>"]
b2.device.build(directory=folder, compile=True, run=False, with_output=False)


def run():
    subprocess.run(["./main"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    with open(os.path.join(folder, "results", "seconds")) as file:
        return float(file.read())


def stored(group, variable):
    array = group.variables[variable]
    return np.fromfile(os.path.join(folder, b2.device.get_array_filename(array)), dtype=np.float64)


print("Brian2 " + b2.__version__ + " standalone", flush=True)
try:
    for line in sys.stdin:
        what, count, _ = line.split()
        seconds = run()
        if what == "run":
            print("%.9g" % (seconds / steps * int(count)), flush=True)
            continue
        answers = []
        for k, matrix in enumerate(matrices):
            after = stored(matrix, "W").reshape(weights[k].T.shape).T
            answers.append(probe(after, k) - probe(weights[k], k))
        rates = stored(out, "r")
        answers.append(np.sum(rates * random(np.zeros(rates.size), np.arange(rates.size), 999)))
        print(" ".join("%.17g" % v for v in answers), flush=True)
finally:
    shutil.rmtree(folder)
