"""Writes files as torch does, without torch."""

import io
import pickle
import sys
import types
import zipfile

import numpy


def torch_modules(monkeypatch):
    """Stand-ins for the classes that a pickle of torch names, so that files can be written without torch."""
    made = {}
    for name in ("torch", "torch._utils", "torch.nn", "torch.nn.modules"):
        made[name] = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made[name])
    for name in ("FloatStorage", "DoubleStorage", "HalfStorage", "LongStorage", "BFloat16Storage"):
        setattr(made["torch"], name, type(name, (), {"__module__": "torch"}))
    return made


def write_state_dict(path, arrays, monkeypatch, extra=None):
    """A file as ``torch.save`` writes it: by Python's pickle, and with the classes of torch that it names."""
    made = torch_modules(monkeypatch)

    def rebuild(*_):
        raise AssertionError("called")

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    made["torch._utils"]._rebuild_tensor_v2 = rebuild
    kinds = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<f2": "HalfStorage", "<i8": "LongStorage"}

    class Stored:
        def __init__(self, key):
            self.key = key

    class Tensor:
        def __init__(self, key, array):
            self.key, self.array = key, array

        def __reduce__(self):
            strides = tuple(n // self.array.itemsize for n in self.array.strides)
            return rebuild, (Stored(self.key), 0, self.array.shape, strides, False, {})

    tensors = {name: Tensor(str(i), numpy.ascontiguousarray(array)) for i, (name, array) in enumerate(arrays.items())}
    by_key = {each.key: each.array for each in tensors.values()}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Stored):
                return None
            array = by_key[value.key]
            return "storage", getattr(made["torch"], kinds[array.dtype.str]), value.key, "cpu", array.size

    content = io.BytesIO()
    Pickler(content, 2).dump({**tensors, **(extra or {})})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content.getvalue())
        for key, array in by_key.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
