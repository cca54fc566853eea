"""MXNet takes NumPy scalars, NumPy 2's included, wherever it takes Python numbers."""

import ast
import ctypes

import gluon_deeprnn
from gluon_deeprnn.mxnet_private import attribute_text, library
import mxnet
from mxnet import gluon, init, nd, np, npx, sym
from mxnet.base import SymbolHandle, c_str_array, check_call, mx_uint, py_str
import numpy
import pytest

INTEGERS = [numpy.int64, numpy.int32]


def x():
    return np.arange(24.0).reshape(4, 6)


def steps():
    return np.ones((2, 3, 4))


def called(block, inputs):
    """The outputs of a new block, interpreted and hybridized, with all weights 1."""
    block.initialize(init.One())
    found = [block(inputs)]
    block.hybridize()
    return [*found, block(inputs)]


def shape_of(parameter):
    parameter.initialize()
    return parameter.data().shape, parameter.var().infer_shape()[1]


def a():
    return sym.var("a").as_np_ndarray()


def inferred(symbol):
    return symbol.infer_shape(a=(4, 6))[1]


def put(key):
    array = x()
    array[key] = 1.0
    return array


# Each is called with int, and with the constructors of NumPy's scalars.
CALLS = {
    "slice": lambda i: x()[:, i(1):i(3)],
    "step": lambda i: x()[::i(2)],
    "index": lambda i: x()[i(1), i(2)],
    "indices of a list": lambda i: x()[[i(1), i(2)]],
    "assignment to a slice": lambda i: put((slice(None), slice(i(0), i(2)))),
    "assignment to an element": lambda i: put((i(1), i(2))),
    "reshape": lambda i: x().reshape(i(6), i(4)),
    "reshape to a tuple": lambda i: np.reshape(x(), (i(6), i(4))),
    "tile": lambda i: np.tile(x(), (i(2), i(1))),
    "repeat": lambda i: np.repeat(x(), i(2), axis=i(1)),
    "transpose": lambda i: x().transpose(i(1), i(0)),
    "transpose by a tuple": lambda i: np.transpose(x(), (i(1), i(0))),
    "split": lambda i: np.split(x(), i(2)),
    "split at indices": lambda i: np.split(x(), (i(1), i(3))),
    "array_split": lambda i: np.array_split(x(), i(3)),
    "zeros": lambda i: np.zeros((i(2), i(3))),
    "ones": lambda i: np.ones(i(3)),
    "full": lambda i: np.full((i(2), i(3)), i(2)),
    "empty": lambda i: np.empty(i(3)).shape,
    "identity": lambda i: np.identity(i(3)),
    "eye": lambda i: np.eye(i(3), i(4), i(1)),
    "arange": lambda i: np.arange(i(1), i(9), i(2)),
    "linspace": lambda i: np.linspace(i(0), i(1), i(5)),
    "sum over axes": lambda i: x().reshape(2, 3, 4).sum(axis=(i(0), i(1))),
    "max over axes": lambda i: x().max(axis=(i(0),)),
    "norm": lambda i: np.linalg.norm(x(), axis=i(1)),
    "histogram": lambda i: np.histogram(x(), i(4), (i(0), i(10)))[0],
    "pad": lambda i: np.pad(x(), ((i(1), i(1)), (i(0), i(2)))),
    "roll": lambda i: np.roll(x(), (i(1), i(2)), axis=(i(0), i(1))),
    "broadcast_to": lambda i: np.broadcast_to(x(), (i(2), i(4), i(6))),
    "tensordot": lambda i: np.tensordot(x(), x(), axes=((i(0),), (i(0),))),
    "arithmetic": lambda i: i(2) - x() * i(3) + x() ** i(2) % i(5),
    "clip": lambda i: np.clip(x(), i(2), i(5)),
    "one_hot": lambda i: npx.one_hot(np.array([1, 2]), i(4)),
    "topk": lambda i: npx.topk(x(), k=i(2), axis=i(1)),
    "slice as an operator": lambda i: npx.slice(x(), begin=(i(0), i(1)), end=(i(2), None)),
    "fully_connected": lambda i: npx.fully_connected(x(), np.ones((3, 6)), no_bias=True, num_hidden=i(3)),
    "split_and_load": lambda i: gluon.utils.split_and_load(x(), [mxnet.cpu(i(0)), mxnet.cpu(i(1))]),
    "Dense": lambda i: called(gluon.nn.Dense(i(3)), x()),
    "Dense with in_units": lambda i: called(gluon.nn.Dense(i(3), in_units=i(6)), x()),
    "Embedding": lambda i: called(gluon.nn.Embedding(i(30), i(3)), x()),
    "Conv2D": lambda i: called(gluon.nn.Conv2D(i(2), (i(3), i(3)), padding=i(1)), np.ones((1, 1, 5, 5))),
    "gluon.rnn.LSTM": lambda i: called(gluon.rnn.LSTM(i(3), i(2)), steps()),
    "our GRU": lambda i: called(gluon_deeprnn.GRU(i(3), i(2)), steps()),
    "our StackedRNNScratch": lambda i: called(gluon_deeprnn.StackedRNNScratch(i(4), i(3), i(2)), steps()),
    "Parameter": lambda i: shape_of(gluon.Parameter("p", shape=(i(2), i(3)))),
    "Parameter of one size": lambda i: shape_of(gluon.Parameter("p", shape=i(3))),
    "legacy arrays": lambda i: nd.zeros((i(4), i(6)))[:, i(1):i(3)].transpose((i(1), i(0))).tile((i(2), i(1))),
    "legacy split_v2": lambda i: nd.split_v2(nd.ones((4, 6)), i(2)),
    "symbol var": lambda i: sym.var("a", shape=(i(2), i(3))).infer_shape()[1],
    "symbol slice": lambda i: inferred(a()[i(1):i(3)]),
    "symbol reshape": lambda i: inferred(sym.np.reshape(a(), (i(6), i(4)))),
    "symbol split": lambda i: len(sym.np.split(a(), i(2))),
    "symbol identity": lambda i: sym.np.identity(i(3)).infer_shape()[1],
    "symbol norm": lambda i: inferred(sym.np.linalg.norm(a(), axis=i(1))),
    "symbol normal": lambda i: sym.np.random.normal(0.0, 1.0, i(3)).infer_shape()[1],
    **{f"random.{name}": lambda i, name=name: getattr(np.random, name)(i(1), i(2), i(3)) for name in (
        "normal", "uniform", "gamma", "beta", "logistic", "gumbel", "lognormal")},
    **{f"random.{name}": lambda i, name=name: getattr(np.random, name)(i(1), (i(3), i(2))) for name in (
        "exponential", "rayleigh", "weibull", "pareto", "power", "chisquare")},
    **{f"random.{name} of one size": lambda i, name=name: getattr(np.random, name)(i(1), i(3)) for name in (
        "exponential", "rayleigh", "weibull", "pareto", "power", "chisquare")},
    "random.randint": lambda i: np.random.randint(i(0), i(5), i(3)),
    "random.choice": lambda i: np.random.choice(i(5), i(3)),
    "random.multinomial": lambda i: np.random.multinomial(i(3), np.array([0.5, 0.5]), i(2)),
    "random.bernoulli": lambda i: npx.random.bernoulli(0.5, size=i(3)),
    "random.normal_n": lambda i: npx.random.normal_n(0.0, 1.0, batch_shape=i(3)),
}


def values(result):
    if isinstance(result, (list, tuple)):
        return [values(each) for each in result]
    return result.asnumpy().tolist() if hasattr(result, "asnumpy") else result


def drawn_by(call, kind):
    mxnet.random.seed(1)
    return values(call(kind))


@pytest.mark.filterwarnings("ignore:ndarray:DeprecationWarning")  # of old names, which MXNet itself calls
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", INTEGERS)
def test_a_call_with_numpy_integers_computes_what_it_computes_with_python_integers(kind, name):
    assert drawn_by(CALLS[name], kind) == drawn_by(CALLS[name], int)


@pytest.mark.parametrize("kind", [numpy.float32, numpy.float64])
def test_a_call_with_numpy_floats_computes_what_it_computes_with_python_floats(kind):
    for call in (lambda f: x() * f(0.5), lambda f: np.clip(x(), f(1.5), f(4.5)),
                 lambda f: np.histogram(x(), 4, (f(0.5), f(9.5)))[0], lambda f: npx.leaky_relu(x(), slope=f(0.25)),
                 lambda f: np.random.normal(f(0.5), f(2.0), (2, 3)), lambda f: np.full((2, 3), f(0.5))):
        assert drawn_by(call, kind) == drawn_by(call, float)


def test_orthogonal_matrices_are_drawn():
    dense = gluon.nn.Dense(3, in_units=6)
    dense.initialize(init.Orthogonal(scale=1.0))
    W = dense.weight.data()
    assert abs(np.dot(W, W.T) - np.eye(3)).max() < 1e-5


def registered():
    """The types of the attributes of every operator of MXNet, by the operator's name."""
    size, names = mx_uint(), ctypes.POINTER(ctypes.c_char_p)()
    check_call(library.MXListAllOpNames(ctypes.byref(size), ctypes.byref(names)))
    listed = [py_str(names[i]) for i in range(size.value)]  # the next call overwrites the strings
    return {name: attributes_of(name) for name in listed}


def handle_of(name):
    handle = ctypes.c_void_p()
    check_call(library.NNGetOpHandle(name.encode(), ctypes.byref(handle)))
    return handle


def attributes_of(name):
    strings = ctypes.POINTER(ctypes.c_char_p)
    full, about, key, kind = (ctypes.c_char_p() for _ in range(4))
    names, types, texts, count = strings(), strings(), strings(), mx_uint()
    check_call(library.MXSymbolGetAtomicSymbolInfo(
        handle_of(name), ctypes.byref(full), ctypes.byref(about), ctypes.byref(count), ctypes.byref(names),
        ctypes.byref(types), ctypes.byref(texts), ctypes.byref(key), ctypes.byref(kind)))
    return {py_str(names[i]): py_str(types[i]) for i in range(count.value)}


def refusal(name, attributes):
    """What MXNet's parser says to an operator with these attributes; "" if it accepts them."""
    made = SymbolHandle()
    texts = [attribute_text(value) for value in attributes.values()]
    code = library.MXSymbolCreateAtomicSymbol(handle_of(name), mx_uint(len(texts)), c_str_array(list(attributes)),
                                              c_str_array(texts), ctypes.byref(made))
    if code == 0:
        library.NNSymbolFree(made)
        return ""
    return py_str(library.MXGetLastError())


SCALARS = {int: numpy.int64, float: numpy.float32, bool: numpy.bool_}


def example(kind):
    """A value of a type as the registry describes it, such as ``Shape(tuple), required``; None for other types."""
    first = kind.split(",")[0].strip()
    if first.startswith("Shape"):
        return (2, 2)
    if first.startswith("tuple of"):
        return (0.5, 0.5)
    return {"int": 1, "int or None": 1, "long (non-negative)": 1, "long": 1, "float": 0.5, "double": 0.5,
            "float or None": 0.5, "double or None": 0.5, "boolean": True, "boolean or None": True}.get(first)


def as_numpy(value):
    return tuple(map(as_numpy, value)) if isinstance(value, tuple) else SCALARS[type(value)](value)


def test_the_parser_of_every_operator_reads_numpy_scalars_as_python_numbers():
    checked = tuples = 0
    for name, types in registered().items():
        given = {key: example(kind) for key, kind in types.items()}
        given = {key: value for key, value in given.items() if value is not None}
        if name.startswith("_backward") or not given:
            continue
        for one in [{key: value} for key, value in given.items()] + [given]:
            plain = refusal(name, one)
            found = refusal(name, {key: as_numpy(value) for key, value in one.items()})
            if not plain:
                assert found == "", (name, one)
            checked += 1
            tuples += any(isinstance(value, tuple) for value in one.values())
    assert checked > 1000
    assert tuples > 200


def test_nested_scalars_are_written_as_python_writes_its_own_numbers():
    plain = (1, -2, None, [0.5, (True, "np.a")], ((3,),))
    ours = (numpy.int64(1), numpy.int32(-2), None, [numpy.float32(0.5), (numpy.bool_(True), numpy.str_("np.a"))],
            ((numpy.uint8(3),),))
    assert attribute_text(ours) == str(plain)
    assert ast.literal_eval(attribute_text(ours)) == plain
    for value in (3, 0.5, "np.int64(3)", None, True, numpy.float32(0.1), numpy.int64(3), mxnet.cpu(1)):
        assert attribute_text(value) == str(value)


def test_what_numpy_prints_is_unchanged():
    assert numpy.get_printoptions()["legacy"] is False
    assert repr(numpy.int64(3)) == ("np.int64(3)" if int(numpy.__version__.split(".")[0]) > 1 else "3")
