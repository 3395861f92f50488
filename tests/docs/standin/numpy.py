"""The few things that the documents' examples take from NumPy, for machines without it."""
import ast
import struct


class Array:
    """Rows along the first axis, each a flat list."""

    def __init__(self, shape, rows):
        self.shape, self.rows = shape, rows

    def _with(self, rows):
        return Array((len(rows),) + self.shape[1:], rows)

    def __sub__(self, other):
        assert self.shape == other.shape
        return self._with([[a - b for a, b in zip(x, y)] for x, y in zip(self.rows, other.rows)])

    def __pow__(self, power):
        return self._with([[a**power for a in row] for row in self.rows])

    def __getitem__(self, part):
        return self._with(self.rows[part])


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    head = struct.unpack("<H", data[8:10])[0]
    about = ast.literal_eval(data[10 : 10 + head].decode().strip())
    assert about["descr"] == "<f8" and not about["fortran_order"]
    values = struct.unpack("<%dd" % ((len(data) - 10 - head) // 8), data[10 + head :])
    width = len(values) // about["shape"][0]
    return Array(about["shape"], [list(values[i : i + width]) for i in range(0, len(values), width)])


def mean(array):
    values = [value for row in array.rows for value in row]
    return sum(values) / len(values)
